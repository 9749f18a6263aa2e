// RMS norms, row by row: statistics, gate and weight product in float32, the result rounded once.
//
// A row's sums run in one order that depends only on its length. Groups divide the row evenly.
#include "../../native/kernels.hpp"
#include "../../native/simd.hpp"

namespace naga {
namespace NAGA_ISA {
namespace norm_detail {

// 1 / sqrt(mean of squares + eps) of values get(i, count). Four sums: one would wait for itself.
template <class F> inline float inverse_root(Index length, float eps, F get) {
    constexpr int width = Floats::width;
    Floats total[4] = {zeros(), zeros(), zeros(), zeros()};
    Index i = 0;
    for (; i + 4 * width <= length; i += 4 * width)
        for (int k = 0; k < 4; ++k) {
            Floats x = get(i + k * width, width);
            total[k] = fma(x, x, total[k]);
        }
    for_vectors(length - i, [&](Index rest, int count) {
        Floats x = get(i + rest, count);
        total[0] = fma(x, x, total[0]);
    });
    float squares = sum((total[0] + total[1]) + (total[2] + total[3]));
    return 1 / std::sqrt(squares / float(length) + eps);
}

template <class E> void rms_norm(const RmsNorm& norm, Index first, Index last) {
    for (Index row = first; row < last; ++row) {
        const E* x = static_cast<const E*>(norm.x) + row * norm.x_stride;
        E* y = static_cast<E*>(norm.y) + row * norm.y_stride;
        auto get = [x](Index i, int count) { return load_some(x + i, count); };
        Floats scale = broadcast(inverse_root(norm.dim, norm.eps, get));
        for_vectors(norm.dim, [&](Index i, int count) {
            Floats normed = get(i, count) * scale;
            store_some(y + i, normed * load_some(norm.weight + i, count), count);
        });
    }
}

// Gated values held between the two passes over a group; those beyond are computed again, alike.
constexpr Index HELD = 4096;

template <class E>
inline void gated_group(const float* y, const E* z, const float* weight, Index size, float eps,
                        E* out) {
    float held[HELD];
    auto gate = [=](Index i, int count) {
        return load_some(y + i, count) * silu(load_some(z + i, count));
    };
    auto get = [&](Index i, int count) {
        Floats gated = gate(i, count);
        if (i + Floats::width <= HELD) store(held + i, gated);
        return gated;
    };
    Floats scale = broadcast(inverse_root(size, eps, get));
    for_vectors(size, [&](Index i, int count) {
        Floats gated = i + Floats::width <= HELD ? load(held + i) : gate(i, count);
        store_some(out + i, gated * scale * load_some(weight + i, count), count);
    });
}

template <class E>
inline void normed_group(const float* y, const E* z, const float* weight, Index size, float eps,
                         E* out) {
    auto get = [y](Index i, int count) { return load_some(y + i, count); };
    Floats scale = broadcast(inverse_root(size, eps, get));
    for_vectors(size, [&](Index i, int count) {
        Floats normed = get(i, count) * scale * load_some(weight + i, count);
        store_some(out + i, normed * silu(load_some(z + i, count)), count);
    });
}

template <class E> inline void gate_row(const float* y, const E* z, Index size, E* out) {
    for_vectors(size, [&](Index i, int count) {
        store_some(out + i, load_some(y + i, count) * silu(load_some(z + i, count)), count);
    });
}

template <class E> void gated_norm(const GatedNorm& norm, Index first, Index last) {
    Index size = norm.dim / norm.groups;
    auto* group = norm.order == Gate::norm_first ? normed_group<E> : gated_group<E>;
    for (Index row = first; row < last; ++row) {
        const float* y = norm.y + row * norm.y_stride;
        const E* z = static_cast<const E*>(norm.z) + row * norm.z_stride;
        E* out = static_cast<E*>(norm.out) + row * norm.out_stride;
        if (norm.order == Gate::gate_alone) {
            gate_row(y, z, norm.dim, out);
            continue;
        }
        for (Index start = 0; start < norm.dim; start += size)
            group(y + start, z + start, norm.weight + start, size, norm.eps, out + start);
    }
}

}  // namespace norm_detail

template <class E> void fill_norm(Kernels& table) {
    table.rms_norm = norm_detail::rms_norm<E>;
    table.gated_norm = norm_detail::gated_norm<E>;
}

}  // namespace NAGA_ISA
}  // namespace naga
