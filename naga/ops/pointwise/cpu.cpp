// Activations and embedding rows, element by element in float32; rounded where the reference is.
#include "../../native/kernels.hpp"
#include "../../native/simd.hpp"

namespace naga {
namespace NAGA_ISA {
namespace pointwise_detail {

template <class E>
void swiglu(const void* x, Index x_stride, Index inner, void* y, Index y_stride, Index first,
            Index last) {
    for (Index row = first; row < last; ++row) {
        const E* gate = static_cast<const E*>(x) + row * x_stride;
        const E* up = gate + inner;
        E* out = static_cast<E*>(y) + row * y_stride;
        for_vectors(inner, [&](Index i, int count) {
            Floats activated = rounded<E>(silu(load_some(gate + i, count)));
            store_some(out + i, activated * load_some(up + i, count), count);
        });
    }
}

template <class E>
void relu2(const void* x, Index x_stride, Index inner, void* y, Index y_stride, Index first,
           Index last) {
    for (Index row = first; row < last; ++row) {
        const E* in = static_cast<const E*>(x) + row * x_stride;
        E* out = static_cast<E*>(y) + row * y_stride;
        for_vectors(inner, [&](Index i, int count) {
            // max gives its second operand where one is NaN.
            Floats positive = max(zeros(), load_some(in + i, count));
            store_some(out + i, positive * positive, count);
        });
    }
}

template <class E>
void scale(void* x, Index x_stride, Index columns, float factor, Index first, Index last) {
    for (Index row = first; row < last; ++row) {
        E* values = static_cast<E*>(x) + row * x_stride;
        for_vectors(columns, [&](Index i, int count) {
            store_some(values + i, load_some(values + i, count) * broadcast(factor), count);
        });
    }
}

template <class E> void embed(const float* row, Index dim, float factor, void* y) {
    E* out = static_cast<E*>(y);
    for_vectors(dim, [&](Index i, int count) {
        store_some(out + i, load_some(row + i, count) * broadcast(factor), count);
    });
}

// Not `widen`: that is the element's own conversion.
template <class E> void widen_all(const void* x, Index count, float* y) {
    const E* in = static_cast<const E*>(x);
    for_vectors(count, [&](Index i, int some) {
        store_some(y + i, load_some(in + i, some), some);
    });
}

}  // namespace pointwise_detail

template <class E> void fill_pointwise(Kernels& table) {
    table.swiglu = pointwise_detail::swiglu<E>;
    table.relu2 = pointwise_detail::relu2<E>;
    table.scale = pointwise_detail::scale<E>;
    table.embed = pointwise_detail::embed<E>;
    table.widen = pointwise_detail::widen_all<E>;
}

}  // namespace NAGA_ISA
}  // namespace naga
