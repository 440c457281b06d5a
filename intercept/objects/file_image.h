// file_image: an object's file mapped a second time, as the loader lays it out, not to
// be executed and not relocated: what the text was before anybody changed it in memory.
#pragma once

#include "intercept/objects/object.h"

namespace intercept {

class FileImage {
public:
    FileImage() = default;
    FileImage(const FileImage &) = delete;
    FileImage &operator=(const FileImage &) = delete;
    ~FileImage();

    // False: the file is not there, is another one by now, is cut short, or there is no memory.
    bool open(const Object &object);

    // After open.
    const Object &object() const {
        return image_;
    }
    // All that may be executed is in memory as it is in the file.
    bool has_text_of(const Object &object) const;

private:
    Object image_{};
    AddressRange mapped_{};
};

} // namespace intercept
