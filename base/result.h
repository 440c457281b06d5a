// Result<T>: a value or an errno. Errors are values in this project; nothing
// throws across a library border, and a Result is never ignored silently.
#pragma once

#include <cerrno>
#include <utility>

namespace base {

// An error number of Linux (ENOENT, ...), always positive; 0 is "no error".
// A type of its own, so that an errno cannot be taken for a length.
class [[nodiscard]] Errno {
public:
    constexpr Errno() = default;
    constexpr explicit Errno(int number) : number_(number) {}
    constexpr int number() const { return number_; }
    constexpr bool ok() const { return number_ == 0; }
    constexpr bool operator==(const Errno &) const = default;

private:
    int number_ = 0;
};

// Result<T> holds a T when ok(), else an Errno. T must be default
// constructible and cheap to move (handles, numbers, small structs).
template <typename T> class [[nodiscard]] Result {
public:
    constexpr Result(T value) : value_(std::move(value)) {}
    constexpr Result(Errno error) : error_(error) {}
    constexpr bool ok() const { return error_.ok(); }
    constexpr Errno error() const { return error_; }
    constexpr const T &value() const { return value_; }
    constexpr T &value() { return value_; }
    constexpr const T &operator*() const { return value_; }
    constexpr T &operator*() { return value_; }
    constexpr const T *operator->() const { return &value_; }
    constexpr T *operator->() { return &value_; }

private:
    T value_{};
    Errno error_{};
};

// The result of a call that has nothing to give back but success.
template <> class [[nodiscard]] Result<void> {
public:
    constexpr Result() = default;
    constexpr Result(Errno error) : error_(error) {}
    constexpr bool ok() const { return error_.ok(); }
    constexpr Errno error() const { return error_; }

private:
    Errno error_{};
};
using Status = Result<void>;

constexpr Errno error(int number) { return Errno(number); }

} // namespace base

// TRY(expr): returns the error of `expr` from the enclosing function, if any.
#define BASE_TRY(expr)                                                                                                 \
    do {                                                                                                               \
        auto base_try_result_ = (expr);                                                                                \
        if (__builtin_expect(!base_try_result_.ok(), 0))                                                               \
            return base_try_result_.error();                                                                           \
    } while (0)

// TRY_ASSIGN(auto x, expr): declares or assigns `x` from a Result, or returns its error.
#define BASE_CONCAT2(a, b) a##b
#define BASE_CONCAT(a, b) BASE_CONCAT2(a, b)
#define BASE_TRY_ASSIGN_(tmp, target, expr)                                                                            \
    auto tmp = (expr);                                                                                                 \
    if (__builtin_expect(!tmp.ok(), 0))                                                                                \
        return tmp.error();                                                                                            \
    target = std::move(*tmp)
#define BASE_TRY_ASSIGN(target, expr) BASE_TRY_ASSIGN_(BASE_CONCAT(base_try_, __LINE__), target, expr)
