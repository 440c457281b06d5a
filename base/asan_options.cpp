// The runtime of gcc's AddressSanitizer ends a program that has another library before it, for fear that calls of
// malloc went there. A preloaded library is before it, and ours stand in front of nothing that it wants: this is
// what the runtime asks whoever defines it first, before it looks at ASAN_OPTIONS. Compiled into each library
// that is made to be preloaded.

// __asan_default_options
extern "C" __attribute__((visibility("default"), used)) const char *
asan_default_options() asm("__asan_default_options");

extern "C" const char *asan_default_options() {
    return "verify_asan_link_order=0";
}
