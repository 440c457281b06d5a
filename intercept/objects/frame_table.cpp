// frame_table: binary search in .eh_frame_hdr, then one FDE and its CIE.
//
//   .eh_frame_hdr: 01 enc enc enc | eh_frame | count | (function, FDE) sorted
//   FDE: length | CIE pointer | pc begin | pc range | aug length | LSDA
#include "intercept/objects/frame_table.h"

#include <cstring>
#include <elf.h>

namespace intercept {
namespace {

// DW_EH_PE_*
constexpr uint8_t encoding_omit = 0xff;
constexpr uint8_t table_encoding = 0x3b; // datarel | sdata4

template <typename T> T load(uint64_t address) {
    T value;
    memcpy(&value, reinterpret_cast<const void *>(address), sizeof value);
    return value;
}

// A reader that stops at `end` instead of running away on damaged tables.
struct Reader {
    uint64_t at;
    uint64_t end;
    bool failed = false;

    template <typename T> T take() {
        if (failed || end - at < sizeof(T) || at > end) {
            failed = true;
            return T{};
        }
        T value = load<T>(at);
        at += sizeof(T);
        return value;
    }
    uint64_t take_uleb() {
        uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            auto byte = take<uint8_t>();
            value |= static_cast<uint64_t>(byte & 0x7f) << shift;
            if ((byte & 0x80) == 0)
                return value;
        }
        failed = true;
        return 0;
    }
    // A pointer: absolute, or relative to its own place.
    uint64_t take_encoded(uint8_t encoding) {
        uint64_t place = at;
        uint64_t value = 0;
        switch (encoding & 0x0f) {
        case 0x00:
        case 0x04:
        case 0x0c:
            value = take<uint64_t>();
            break;
        case 0x01:
            value = take_uleb();
            break;
        case 0x03:
            value = take<uint32_t>();
            break;
        case 0x0b:
            value = static_cast<uint64_t>(static_cast<int64_t>(take<int32_t>()));
            break;
        default:
            failed = true;
        }
        // Nought means "none" and stays nought, as for functions without landing pads.
        if ((encoding & 0x70) == 0x10)
            value = value != 0 ? value + place : 0;
        else if ((encoding & 0x70) != 0)
            failed = true;
        if ((encoding & 0x80) != 0)
            failed = true;
        return value;
    }
};

struct FrameEncoding {
    uint8_t pointer = 0;
    uint8_t landing = encoding_omit;
    bool augmented = false;
};

bool read_cie(const Object &object, uint64_t address, FrameEncoding &out) {
    if (!object.readable(address, 16))
        return false;
    uint32_t length = load<uint32_t>(address);
    if (length == 0 || length == 0xffffffff || !object.readable(address + 4, length))
        return false;
    Reader reader{address + 4, address + 4 + length};
    if (reader.take<uint32_t>() != 0)
        return false;
    auto version = reader.take<uint8_t>();
    char letters[8] = {};
    for (char &letter : letters) {
        letter = static_cast<char>(reader.take<uint8_t>());
        if (letter == 0)
            break;
    }
    letters[7] = 0;
    reader.take_uleb();
    reader.take_uleb(); // signed, but only skipped
    if (version == 1)
        reader.take<uint8_t>();
    else
        reader.take_uleb();
    if (letters[0] != 'z')
        return letters[0] == 0 && !reader.failed;
    out.augmented = true;
    reader.take_uleb();
    for (const char *letter = letters + 1; *letter != 0; letter++) {
        if (*letter == 'R')
            out.pointer = reader.take<uint8_t>();
        else if (*letter == 'L')
            out.landing = reader.take<uint8_t>();
        else if (*letter == 'P')
            reader.take_encoded(static_cast<uint8_t>(reader.take<uint8_t>() & 0x0f));
        else if (*letter != 'S' && *letter != 'B')
            return false;
    }
    return !reader.failed;
}

bool read_fde(const Object &object, uint64_t address, Function &out) {
    if (!object.readable(address, 16))
        return false;
    uint32_t length = load<uint32_t>(address);
    if (length == 0 || length == 0xffffffff || !object.readable(address + 4, length))
        return false;
    Reader reader{address + 4, address + 4 + length};
    uint64_t cie_field = reader.at;
    auto cie_distance = reader.take<uint32_t>();
    if (cie_distance == 0)
        return false;
    FrameEncoding encoding;
    if (!read_cie(object, cie_field - cie_distance, encoding))
        return false;
    out.range.begin = reader.take_encoded(encoding.pointer);
    out.range.end = out.range.begin + reader.take_encoded(encoding.pointer & 0x0f);
    out.landing_table = 0;
    if (encoding.augmented) {
        reader.take_uleb();
        if (encoding.landing != encoding_omit)
            out.landing_table = reader.take_encoded(encoding.landing);
    }
    return !reader.failed && out.range.end > out.range.begin;
}

bool find_in_frames(const Object &object, uint64_t address, Function &out) {
    uint64_t header = object.frame_header;
    if (header == 0 || !object.readable(header, 12) || load<uint8_t>(header) != 1 ||
        load<uint8_t>(header + 2) != 0x03 || load<uint8_t>(header + 3) != table_encoding)
        return false;
    Reader reader{header + 4, header + 20};
    reader.take_encoded(load<uint8_t>(header + 1));
    uint64_t count = reader.take<uint32_t>();
    uint64_t table = reader.at;
    if (reader.failed || count == 0 || !object.readable(table, count * 8))
        return false;
    uint64_t low = 0;
    uint64_t high = count;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t begin = header + static_cast<uint64_t>(static_cast<int64_t>(load<int32_t>(table + middle * 8)));
        if (begin <= address)
            low = middle;
        else
            high = middle;
    }
    uint64_t frame = header + static_cast<uint64_t>(static_cast<int64_t>(load<int32_t>(table + low * 8 + 4)));
    if (!read_fde(object, frame, out))
        return false;
    out.described_end = out.range.end;
    if (out.range.contains(address))
        return true;
    constexpr uint64_t undescribed_bytes_max = 64;
    if (address < out.range.end || address - out.range.end > undescribed_bytes_max || low + 1 == count)
        return false;
    out.range.end = header + static_cast<uint64_t>(static_cast<int64_t>(load<int32_t>(table + (low + 1) * 8)));
    return out.range.contains(address) && out.range.end - out.described_end < 4 * undescribed_bytes_max;
}

bool find_in_symbols(const Object &object, uint64_t address, Function &out) {
    auto [symbols, count] = symbol_table(object);
    for (uint64_t i = 0; i < count; i++) {
        if (!is_defined_function(symbols[i]) || symbols[i].st_size == 0)
            continue;
        uint64_t begin = object.base + symbols[i].st_value;
        if (address >= begin && address - begin < symbols[i].st_size) {
            out = {{begin, begin + symbols[i].st_size}, 0, begin + symbols[i].st_size};
            return true;
        }
    }
    return false;
}

} // namespace

bool find_function(const Object &object, uint64_t address, Function &out) {
    out = {};
    Function described{};
    bool framed = find_in_frames(object, address, described);
    if (framed && described.described_end == described.range.end)
        out = described;
    else if (!find_in_symbols(object, address, out)) {
        if (!framed)
            return false;
        out = described;
    }
    return object.executable(out.range.begin) && object.executable(out.range.end - 1);
}

bool read_landing_pads(const Object &object, const Function &function, base::PageArray<uint64_t> &out) {
    if (function.landing_table == 0)
        return true;
    if (!object.readable(function.landing_table, 4))
        return false;
    uint64_t limit = function.landing_table;
    for (unsigned i = 0; i < object.segment_count; i++)
        if (object.segments[i].range.contains(limit)) {
            limit = object.segments[i].range.end;
            break;
        }
    Reader reader{function.landing_table, limit};
    auto start_encoding = reader.take<uint8_t>();
    uint64_t start = start_encoding == encoding_omit ? function.range.begin : reader.take_encoded(start_encoding);
    if (reader.take<uint8_t>() != encoding_omit)
        reader.take_uleb();
    auto site_encoding = reader.take<uint8_t>();
    uint64_t table_bytes = reader.take_uleb();
    if (reader.failed || table_bytes > reader.end - reader.at)
        return false;
    reader.end = reader.at + table_bytes;
    while (!reader.failed && reader.at < reader.end) {
        reader.take_encoded(site_encoding);
        reader.take_encoded(site_encoding);
        uint64_t pad = reader.take_encoded(site_encoding);
        reader.take_uleb();
        if (!reader.failed && pad != 0 && !out.push(start + pad))
            return false;
    }
    return !reader.failed;
}

} // namespace intercept
