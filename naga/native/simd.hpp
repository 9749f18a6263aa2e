// A vector of float32 lanes for each instruction set, and the few functions kernels need on it.
//
// Every kernel source is compiled once for each instruction set, inside namespace NAGA_ISA, with
// -ffp-contract=off: products and sums fuse only where `fma` says so. Results may differ between
// instruction sets, never between two calls on one of them. Masked tails compute in the same lanes
// as full vectors, so the length of a row does not change how its elements round.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace naga {
namespace NAGA_ISA {

using bfloat16 = std::uint16_t;

inline float widen(float x) { return x; }
inline float widen(std::int8_t x) { return float(x); }
inline float widen(bfloat16 x) {
    std::uint32_t bits = std::uint32_t(x) << 16;
    float wide;
    std::memcpy(&wide, &bits, 4);
    return wide;
}

// To the nearest, ties to even; a NaN stays one.
inline bfloat16 to_bfloat16(float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, 4);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return bfloat16((bits >> 16) | 0x40);
    return bfloat16((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
inline void narrow(float x, float& out) { out = x; }
inline void narrow(float x, bfloat16& out) { out = to_bfloat16(x); }

#if defined(__AVX2__)
inline float sum_eight(__m256 x) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float largest_eight(__m256 x) {
    __m128 four = _mm_max_ps(_mm256_extractf128_ps(x, 1), _mm256_castps256_ps128(x));
    __m128 two = _mm_max_ps(_mm_movehl_ps(four, four), four);
    return _mm_cvtss_f32(_mm_max_ss(_mm_movehdup_ps(two), two));
}
#endif

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)

struct Floats {
    static constexpr int width = 16;
    __m512 v;
};
inline __mmask16 first_lanes(int count) { return __mmask16((1u << count) - 1); }
inline Floats broadcast(float x) { return {_mm512_set1_ps(x)}; }
inline Floats load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline Floats load(const float* p, int count) {
    return {_mm512_maskz_loadu_ps(first_lanes(count), p)};
}
inline Floats widen_lanes(__m256i x) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16))};
}
inline Floats load(const bfloat16* p) { return widen_lanes(_mm256_loadu_si256((const __m256i*)p)); }
inline Floats load(const bfloat16* p, int count) {
    return widen_lanes(_mm256_maskz_loadu_epi16(first_lanes(count), p));
}
inline Floats load(const std::int8_t* p) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)))};
}
inline Floats load(const std::int8_t* p, int count) {
    __m128i bytes = _mm_maskz_loadu_epi8(first_lanes(count), p);
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}
inline __m256i narrow_lanes(Floats x) {
    __m512i bits = _mm512_castps_si512(x.v);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    __mmask16 nan = _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q);
    up = _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(up, 16));
}
inline void store(float* p, Floats x) { _mm512_storeu_ps(p, x.v); }
inline void store(float* p, Floats x, int count) {
    _mm512_mask_storeu_ps(p, first_lanes(count), x.v);
}
inline void store(bfloat16* p, Floats x) { _mm256_storeu_si256((__m256i*)p, narrow_lanes(x)); }
inline void store(bfloat16* p, Floats x, int count) {
    _mm256_mask_storeu_epi16(p, first_lanes(count), narrow_lanes(x));
}
inline Floats operator+(Floats a, Floats b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Floats operator-(Floats a, Floats b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Floats operator*(Floats a, Floats b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Floats operator/(Floats a, Floats b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Floats fma(Floats a, Floats b, Floats c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Floats max(Floats a, Floats b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Floats min(Floats a, Floats b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Floats round(Floats a) { return {_mm512_roundscale_ps(a.v, 8)}; }
// a · 2^n for whole n; goes to infinity and to zero as it must.
inline Floats scale(Floats a, Floats n) { return {_mm512_scalef_ps(a.v, n.v)}; }
// Words of two bfloat16: the lower and the upper one as float32.
inline Floats even(const bfloat16* p) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16))};
}
inline Floats odd(const bfloat16* p) {
    return {_mm512_castsi512_ps(
        _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32(int(0xffff0000u))))};
}


// Lanes of four bytes, and of the int32 sums of their products.
struct Bytes {
    __m512i v;
};
struct Sums {
    __m512i v;
};
inline Sums sums_of(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
inline Bytes load_bytes(const void* p) { return {_mm512_loadu_si512(p)}; }
inline Bytes broadcast_bytes(const std::int8_t* four) {
    std::int32_t word;
    std::memcpy(&word, four, 4);
    return {_mm512_set1_epi32(word)};
}
// x + 128 and x - 128 of every byte
inline Bytes turn_signs(Bytes x) { return {_mm512_xor_si512(x.v, _mm512_set1_epi8(-128))}; }
inline Bytes low_halves(Bytes x) { return {_mm512_and_si512(x.v, _mm512_set1_epi8(15))}; }
inline Bytes high_halves(Bytes x) {
    return {_mm512_and_si512(_mm512_srli_epi16(x.v, 4), _mm512_set1_epi8(15))};
}
// Adds, in each lane, four weights times four signed bytes; exact. Weights are stored as w + 128:
// with DOT_UNSIGNED it is the stored bytes that are multiplied.
#if defined(__AVX512VNNI__)
constexpr bool DOT_UNSIGNED = true;
inline Sums dot(Sums sums, Bytes u, Bytes s) {
    return {_mm512_dpbusd_epi32(sums.v, u.v, s.v)};
}
#else
constexpr bool DOT_UNSIGNED = false;
inline Sums dot(Sums sums, Bytes u, Bytes s) {
    // |w| times s with the sign of w: two such products fit 16 bits, even where w is -128.
    __m512i w = _mm512_xor_si512(u.v, _mm512_set1_epi8(-128));
    __m512i turned = _mm512_mask_sub_epi8(s.v, _mm512_movepi8_mask(w), __m512i{}, s.v);
    __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(w), turned);
    return {_mm512_add_epi32(sums.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
}
#endif
// Adds four unsigned bytes below 16 times four signed ones: two such products fit 16 bits.
inline Sums dot_halves(Sums sums, Bytes u, Bytes s) {
#if defined(__AVX512VNNI__)
    return dot(sums, u, s);
#else
    __m512i pairs = _mm512_maddubs_epi16(u.v, s.v);
    return {_mm512_add_epi32(sums.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
#endif
}
inline Floats to_floats(Sums x) { return {_mm512_cvtepi32_ps(x.v)}; }
// Whole numbers within int8; whatever is not finite becomes some byte.
inline void store_bytes(std::int8_t* p, Floats x) {
    _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x.v)));
}

inline __m256 lower(Floats x) { return _mm512_castps512_ps256(x.v); }
inline __m256 upper(Floats x) { return _mm512_extractf32x8_ps(x.v, 1); }
inline float sum(Floats x) { return sum_eight(_mm256_add_ps(lower(x), upper(x))); }
inline float largest(Floats x) { return largest_eight(_mm256_max_ps(upper(x), lower(x))); }

#elif defined(__AVX2__) && defined(__FMA__)

struct Floats {
    static constexpr int width = 8;
    __m256 v;
};
inline __m256i first_lanes(int count) {
    return _mm256_cmpgt_epi32(
        _mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline Floats broadcast(float x) { return {_mm256_set1_ps(x)}; }
inline Floats load(const float* p) { return {_mm256_loadu_ps(p)}; }
inline Floats load(const float* p, int count) {
    return {_mm256_maskload_ps(p, first_lanes(count))};
}
inline Floats widen_lanes(__m128i x) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16))};
}
inline Floats load(const bfloat16* p) { return widen_lanes(_mm_loadu_si128((const __m128i*)p)); }
inline Floats load(const bfloat16* p, int count) {
    bfloat16 whole[8] = {};
    std::memcpy(whole, p, 2 * count);
    return load(whole);
}
inline Floats load(const std::int8_t* p) {
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)))};
}
inline Floats load(const std::int8_t* p, int count) {
    std::int8_t whole[8] = {};
    std::memcpy(whole, p, std::size_t(count));
    return load(whole);
}
inline __m128i narrow_lanes(Floats x) {
    __m256i bits = _mm256_castps_si256(x.v);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x.v, x.v, _CMP_UNORD_Q));
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    up = _mm256_srli_epi32(_mm256_blendv_epi8(up, quiet, nan), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(up), _mm256_extracti128_si256(up, 1));
}
inline void store(float* p, Floats x) { _mm256_storeu_ps(p, x.v); }
inline void store(float* p, Floats x, int count) {
    _mm256_maskstore_ps(p, first_lanes(count), x.v);
}
inline void store(bfloat16* p, Floats x) { _mm_storeu_si128((__m128i*)p, narrow_lanes(x)); }
inline void store(bfloat16* p, Floats x, int count) {
    bfloat16 whole[8];
    store(whole, x);
    std::memcpy(p, whole, 2 * count);
}
inline Floats operator+(Floats a, Floats b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Floats operator-(Floats a, Floats b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Floats operator*(Floats a, Floats b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Floats operator/(Floats a, Floats b) { return {_mm256_div_ps(a.v, b.v)}; }
inline Floats fma(Floats a, Floats b, Floats c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline Floats max(Floats a, Floats b) { return {_mm256_max_ps(a.v, b.v)}; }
inline Floats min(Floats a, Floats b) { return {_mm256_min_ps(a.v, b.v)}; }
inline Floats round(Floats a) { return {_mm256_round_ps(a.v, 8)}; }
inline Floats scale(Floats a, Floats n) {
    // In two steps, since 2^n alone may lie beyond the normal numbers where a · 2^n does not.
    __m256i whole = _mm256_cvtps_epi32(n.v);
    __m256i half = _mm256_srai_epi32(whole, 1);
    auto power = [](__m256i k) {
        return _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_add_epi32(k, _mm256_set1_epi32(127)), 23));
    };
    return {_mm256_mul_ps(
        _mm256_mul_ps(a.v, power(half)), power(_mm256_sub_epi32(whole, half)))};
}
inline Floats even(const bfloat16* p) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_loadu_si256((const __m256i*)p), 16))};
}
inline Floats odd(const bfloat16* p) {
    return {_mm256_castsi256_ps(_mm256_and_si256(
        _mm256_loadu_si256((const __m256i*)p), _mm256_set1_epi32(int(0xffff0000u))))};
}


struct Bytes {
    __m256i v;
};
struct Sums {
    __m256i v;
};
inline Sums sums_of(std::int32_t x) { return {_mm256_set1_epi32(x)}; }
inline Bytes load_bytes(const void* p) { return {_mm256_loadu_si256((const __m256i*)p)}; }
inline Bytes broadcast_bytes(const std::int8_t* four) {
    std::int32_t word;
    std::memcpy(&word, four, 4);
    return {_mm256_set1_epi32(word)};
}
inline Bytes turn_signs(Bytes x) { return {_mm256_xor_si256(x.v, _mm256_set1_epi8(-128))}; }
inline Bytes low_halves(Bytes x) { return {_mm256_and_si256(x.v, _mm256_set1_epi8(15))}; }
inline Bytes high_halves(Bytes x) {
    return {_mm256_and_si256(_mm256_srli_epi16(x.v, 4), _mm256_set1_epi8(15))};
}
constexpr bool DOT_UNSIGNED = false;
inline Sums dot(Sums sums, Bytes u, Bytes s) {
    // |w| times s with the sign of w: two such products fit 16 bits, even where w is -128.
    __m256i w = _mm256_xor_si256(u.v, _mm256_set1_epi8(-128));
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(s.v, w));
    return {_mm256_add_epi32(sums.v, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
}
inline Sums dot_halves(Sums sums, Bytes u, Bytes s) {
    __m256i pairs = _mm256_maddubs_epi16(u.v, s.v);
    return {_mm256_add_epi32(sums.v, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
}
inline Floats to_floats(Sums x) { return {_mm256_cvtepi32_ps(x.v)}; }
inline void store_bytes(std::int8_t* p, Floats x) {
    __m256i words = _mm256_cvtps_epi32(x.v);
    __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words),
                                     _mm256_extracti128_si256(words, 1));
    _mm_storel_epi64((__m128i*)p, _mm_packs_epi16(halves, halves));
}

inline float sum(Floats x) { return sum_eight(x.v); }
inline float largest(Floats x) { return largest_eight(x.v); }

#else

struct Floats {
    static constexpr int width = 4;
    float v[4];
};
template <class F> inline Floats each(F f) { return {{f(0), f(1), f(2), f(3)}}; }
inline Floats broadcast(float x) { return {{x, x, x, x}}; }
template <class E> inline Floats load(const E* p) {
    return each([&](int i) { return widen(p[i]); });
}
template <class E> inline Floats load(const E* p, int count) {
    return each([&](int i) { return i < count ? widen(p[i]) : 0.0f; });
}
template <class E> inline void store(E* p, Floats x) {
    for (int i = 0; i < 4; ++i) narrow(x.v[i], p[i]);
}
template <class E> inline void store(E* p, Floats x, int count) {
    for (int i = 0; i < count; ++i) narrow(x.v[i], p[i]);
}
inline Floats operator+(Floats a, Floats b) { return each([&](int i) { return a.v[i] + b.v[i]; }); }
inline Floats operator-(Floats a, Floats b) { return each([&](int i) { return a.v[i] - b.v[i]; }); }
inline Floats operator*(Floats a, Floats b) { return each([&](int i) { return a.v[i] * b.v[i]; }); }
inline Floats operator/(Floats a, Floats b) { return each([&](int i) { return a.v[i] / b.v[i]; }); }
// Not fused: std::fma is a library call where the processor has none.
inline Floats fma(Floats a, Floats b, Floats c) { return a * b + c; }
inline Floats max(Floats a, Floats b) {
    return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline Floats min(Floats a, Floats b) {
    return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline Floats round(Floats a) { return each([&](int i) { return std::nearbyint(a.v[i]); }); }
inline Floats scale(Floats a, Floats n) {
    return each([&](int i) {
        return n.v[i] == n.v[i] ? std::ldexp(a.v[i], int(n.v[i])) : n.v[i];
    });
}
inline Floats even(const bfloat16* p) { return each([&](int i) { return widen(p[2 * i]); }); }
inline Floats odd(const bfloat16* p) { return each([&](int i) { return widen(p[2 * i + 1]); }); }

struct Bytes {
    std::uint8_t v[16];
};
struct Sums {
    std::int32_t v[4];
};
inline Sums sums_of(std::int32_t x) { return {{x, x, x, x}}; }
inline Bytes load_bytes(const void* p) {
    Bytes x;
    std::memcpy(x.v, p, 16);
    return x;
}
inline Bytes broadcast_bytes(const std::int8_t* four) {
    Bytes x;
    for (int i = 0; i < 16; ++i) x.v[i] = std::uint8_t(four[i % 4]);
    return x;
}
inline Bytes turn_signs(Bytes x) {
    for (auto& byte : x.v) byte ^= 128;
    return x;
}
inline Bytes low_halves(Bytes x) {
    for (auto& byte : x.v) byte &= 15;
    return x;
}
inline Bytes high_halves(Bytes x) {
    for (auto& byte : x.v) byte >>= 4;
    return x;
}
constexpr bool DOT_UNSIGNED = true;
inline Sums dot(Sums sums, Bytes u, Bytes s) {
    for (int i = 0; i < 16; ++i) sums.v[i / 4] += int(u.v[i]) * std::int8_t(s.v[i]);
    return sums;
}
inline Sums dot_halves(Sums sums, Bytes u, Bytes s) { return dot(sums, u, s); }
inline Floats to_floats(Sums x) { return each([&](int i) { return float(x.v[i]); }); }
inline void store_bytes(std::int8_t* p, Floats x) {
    for (int i = 0; i < 4; ++i) p[i] = std::isfinite(x.v[i]) ? std::int8_t(x.v[i]) : 0;
}

// The sum of all lanes, halves upon halves, in one order.
inline float sum(Floats x) { return (x.v[0] + x.v[2]) + (x.v[1] + x.v[3]); }
// Of lanes without NaN, the largest.
inline float largest(Floats x) {
    auto larger = [](float a, float b) { return a > b ? a : b; };
    return larger(larger(x.v[0], x.v[2]), larger(x.v[1], x.v[3]));
}

#endif

inline Floats zeros() { return broadcast(0.0f); }

// The same bits, seen as something else.
template <class To, class From> inline To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From), "bits are neither lost nor made");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

// Adds, in each lane, two products of bfloat16: lanes of a and b hold two each.
inline Floats dot_pairs(Floats sum, Floats a, Floats b) {
#if defined(__AVX512BF16__)
    return {_mm512_dpbf16_ps(sum.v, bits_as<__m512bh>(a), bits_as<__m512bh>(b))};
#else
    bfloat16 left[2 * Floats::width], right[2 * Floats::width];
    std::memcpy(left, &a, sizeof a);
    std::memcpy(right, &b, sizeof b);
    return fma(odd(left), odd(right), fma(even(left), even(right), sum));
#endif
}

// To the values E has.
template <class E> inline Floats rounded(Floats x) {
    E lanes[Floats::width];
    store(lanes, x);
    return load(lanes);
}

// e^x to about one unit in the last place: 2^n · e^r with |r| <= ln 2 / 2 (coefficients of Cephes).
inline Floats exp(Floats x) {
    // Comparisons keep the second operand on NaN: written so that NaN survives.
    Floats bounded = min(broadcast(89.0f), max(broadcast(-104.0f), x));
    Floats n = round(bounded * broadcast(1.44269504088896341f));
    Floats r = fma(n, broadcast(-0.693359375f), bounded);
    r = fma(n, broadcast(2.12194440e-4f), r);
    Floats p = broadcast(1.9875691500e-4f);
    p = fma(p, r, broadcast(1.3981999507e-3f));
    p = fma(p, r, broadcast(8.3334519073e-3f));
    p = fma(p, r, broadcast(4.1665795894e-2f));
    p = fma(p, r, broadcast(1.6666665459e-1f));
    p = fma(p, r, broadcast(5.0000001201e-1f));
    p = fma(p, r * r, r + broadcast(1.0f));
    return scale(p, n);
}

inline Floats silu(Floats x) { return x / (broadcast(1.0f) + exp(zeros() - x)); }

// f(first, count) for every vector of [0, length): count < width only for the last.
template <class F> inline void for_vectors(std::int64_t length, F f) {
    std::int64_t i = 0;
    for (; i + Floats::width <= length; i += Floats::width) f(i, Floats::width);
    if (i < length) f(i, int(length - i));
}
template <class E> inline Floats load_some(const E* p, int count) {
    return count == Floats::width ? load(p) : load(p, count);
}
template <class E> inline void store_some(E* p, Floats x, int count) {
    if (count == Floats::width) store(p, x);
    else store(p, x, count);
}
inline void store_some_bytes(std::int8_t* p, Floats x, int count) {
    std::int8_t lanes[Floats::width];
    if (count == Floats::width) return store_bytes(p, x);
    store_bytes(lanes, x);
    std::memcpy(p, lanes, std::size_t(count));
}

}  // namespace NAGA_ISA
}  // namespace naga
