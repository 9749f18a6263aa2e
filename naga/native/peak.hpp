// As many products as a processor can do: sums and operands in registers, no memory at all.
//
// The instruction that products of the element, or of int8, are made of. Measures nothing: probe.cpp
// takes the time. Compiled once for each instruction set, as simd.hpp says.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"

namespace naga {
namespace NAGA_ISA {
namespace peak_detail {

// Enough to cover an instruction's latency on any processor, and within AVX2's 16 registers.
constexpr int SUMS = 12;

inline Floats multiply(Floats sum, Floats a, Floats b, float) { return fma(a, b, sum); }
inline Floats multiply(Floats sum, Floats a, Floats b, bfloat16) { return dot_pairs(sum, a, b); }
inline Sums multiply(Sums sum, Floats a, Floats b, std::int8_t) {
    return dot(sum, bits_as<Bytes>(a), bits_as<Bytes>(b));
}

inline Floats floats_of(Floats x) { return x; }
inline Floats floats_of(Sums x) { return to_floats(x); }

// Products of vectors of C; returns how many multiply-adds they were.
template <class C, class Sum> double exhaust(Index rounds) {
    Floats a = zeros(), b = zeros(), starts[SUMS] = {};
    // For all the compiler knows they are not zero, and not the same.
    asm volatile("" : "+m"(starts));
    // Never by their addresses, or they would lie in memory all the time.
    Sum sums[SUMS];
#pragma GCC unroll 12
    for (int n = 0; n < SUMS; ++n) sums[n] = bits_as<Sum>(starts[n]);
    for (Index i = 0; i < rounds; ++i) {
        asm volatile("" : "+m"(a), "+m"(b));
#pragma GCC unroll 12
        for (int n = 0; n < SUMS; ++n) sums[n] = multiply(sums[n], a, b, C());
    }
    Floats total = zeros();
#pragma GCC unroll 12
    for (int n = 0; n < SUMS; ++n) total = total + floats_of(sums[n]);
    volatile float kept = sum(total);
    (void)kept;
    return double(rounds) * SUMS * double(sizeof(Floats) / sizeof(C));
}

template <class E> double exhaust_as(Format format, Index rounds) {
    return format == Format::element ? exhaust<E, Floats>(rounds)
                                     : exhaust<std::int8_t, Sums>(rounds);
}

}  // namespace peak_detail

template <class E> void fill_peak(Kernels& table) {
    table.exhaust = peak_detail::exhaust_as<E>;
}

}  // namespace NAGA_ISA
}  // namespace naga
