// vector_spoiler: leaves no vector or mask register as it was, as a hook may.
#pragma once

#include "intercept/arch/native.h"

// Without clobbers: the compiler must not save what the interceptor has to keep.
inline void spoil_vectors() {
#if defined(__aarch64__)
    // The low halves of v8 to v15 are a C function's to keep, whoever calls it.
    asm volatile(".irp n,0,1,2,3,4,5,6,7,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
                 "movi v\\n\\().16b, #255\n.endr\n"
                 ".irp n,8,9,10,11,12,13,14,15\nmov v\\n\\().d[1], xzr\n.endr\n");
#else
    if (intercept_vector_level >= VECTOR_AVX512F)
        asm volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
                     "vpternlogd $0xff, %zmm\\n, %zmm\\n, %zmm\\n\n.endr\n"
                     ".irp n,0,1,2,3,4,5,6,7\nkxnorw %k\\n, %k\\n, %k\\n\n.endr\n");
    else if (intercept_vector_level >= VECTOR_AVX)
        asm volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
                     "vpcmpeqd %xmm\\n, %xmm\\n, %xmm\\n\nvinsertf128 $1, %xmm\\n, %ymm\\n, %ymm\\n\n.endr\n");
    else
        asm volatile(".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\npcmpeqd %xmm\\n, %xmm\\n\n.endr\n");
    if (intercept_vector_level >= VECTOR_AVX)
        asm volatile("vzeroupper");
#endif
}
