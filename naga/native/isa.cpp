#include "kernels.hpp"

#include <initializer_list>

namespace naga {

const Kernels* portable_table(Element element);
#if defined(NAGA_X86)
const Kernels* avx2_table(Element element);
const Kernels* avx512_table(Element element);
const Kernels* avx512_bf16_table(Element element);
#endif

namespace {

bool can_run(Isa isa) {
    if (isa == Isa::portable) return true;
#if defined(NAGA_X86)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    bool vnni = __builtin_cpu_supports("avx512vnni");
    bool bf16 = __builtin_cpu_supports("avx512bf16");
    if (isa == Isa::avx2) return avx2;
    if (isa == Isa::avx512) return avx512;
    return avx512 && vnni && bf16;
#else
    return false;
#endif
}

}  // namespace

const Kernels* kernels(Isa isa, Element element) {
    if (!can_run(isa)) return nullptr;
#if defined(NAGA_X86)
    if (isa == Isa::avx2) return avx2_table(element);
    if (isa == Isa::avx512) return avx512_table(element);
    if (isa == Isa::avx512_bf16) return avx512_bf16_table(element);
#endif
    return portable_table(element);
}

Isa best_isa() {
    for (Isa isa : {Isa::avx512_bf16, Isa::avx512, Isa::avx2})
        if (can_run(isa)) return isa;
    return Isa::portable;
}

}  // namespace naga
