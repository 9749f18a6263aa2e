// All kernels for one instruction set: compiled once for each, with NAGA_ISA as its name.
#include "kernels.hpp"
#include "simd.hpp"

#include "../ops/linear/cpu.cpp"
#include "../ops/linear/packing.cpp"
#include "../ops/linear/quantised.cpp"
#include "../ops/norm/cpu.cpp"
#include "../ops/conv1d/cpu.cpp"
#include "../ops/ssd/cpu.cpp"
#include "../ops/selective_scan/cpu.cpp"
#include "../ops/attention/cpu.cpp"
#include "../ops/pointwise/cpu.cpp"
#include "../ops/moe/cpu.cpp"
#include "../ops/sampling/cpu.cpp"
#include "peak.hpp"

namespace naga {
namespace NAGA_ISA {

template <class E> Kernels make_table(Element element) {
    Kernels table{};
    table.name = NAGA_ISA_NAME;
    table.isa = Isa::NAGA_ISA;
    table.element = element;
    table.element_bytes = sizeof(E);
    fill_linear<E>(table);
    fill_norm<E>(table);
    fill_conv1d<E>(table);
    fill_ssd<E>(table);
    fill_selective_scan<E>(table);
    fill_attention<E>(table);
    fill_pointwise<E>(table);
    fill_moe<E>(table);
    fill_sampling<E>(table);
    fill_peak<E>(table);
    return table;
}

}  // namespace NAGA_ISA

#define NAGA_JOIN(a, b) a##b
#define NAGA_NAME(a, b) NAGA_JOIN(a, b)

const Kernels* NAGA_NAME(NAGA_ISA, _table)(Element element) {
    static const Kernels tables[] = {
        NAGA_ISA::make_table<float>(Element::float32),
        NAGA_ISA::make_table<NAGA_ISA::bfloat16>(Element::bfloat16),
    };
    return &tables[int(element)];
}

}  // namespace naga
