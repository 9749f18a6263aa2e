// The selective scan of one sequence: per token one pass over the state of some channels, float32.
//
// Lanes lie along the state dimension for the recurrence and along the channels for what enters and
// leaves it. A row of y sums its S products in one order, whatever the call's tokens and whichever
// channels a thread has. The gate, silu(z), is applied before the one rounding of y. Compiled after
// ssd/cpu.cpp, whose sums of several rows it takes. Does not convolve or project.
#include "../../native/kernels.hpp"
#include "../../native/simd.hpp"

namespace naga {
namespace NAGA_ISA {
namespace selective_scan_detail {

// Tokens that one vector of channels goes through before the next ones do: their state then stays
// in the nearest cache. Changes no result.
constexpr Index BLOCK = 64;

// log(1 + u) for u in [0, 1]: 2 · artanh(u / (2 + u)), whose series has converged after these terms.
inline Floats log_one_more(Floats u) {
    Floats s = u / (u + broadcast(2.0f)), square = s * s;
    Floats sum = broadcast(1.0f / 15);
    for (float n : {13.0f, 11.0f, 9.0f, 7.0f, 5.0f, 3.0f}) sum = fma(sum, square, broadcast(1 / n));
    // The leading term apart: it has no error of its own.
    return fma((s + s) * square, sum, s + s);
}

// log(1 + e^x) without overflow; keeps a NaN.
inline Floats softplus(Floats x) {
    return max(zeros(), x) + log_one_more(exp(min(zeros() - x, x)));
}

// One token for R rows of state: h = exp(dt[r] · A[r]) · h + added[r] · B; totals[r]: lanes of h · C.
template <int R>
inline void move_rows(float* state, const float* A, Index state_dim, const float* dt,
                      const float* added, const float* B, const float* C, Floats* totals) {
    Floats step[R], factor[R], total[R];
    for (int r = 0; r < R; ++r) {
        step[r] = broadcast(dt[r]);
        factor[r] = broadcast(added[r]);
        total[r] = zeros();
    }
    for_vectors(state_dim, [&](Index i, int count) {
        Floats b = load_some(B + i, count), c = load_some(C + i, count);
        for (int r = 0; r < R; ++r) {
            float* place = state + r * state_dim + i;
            Floats decay = exp(load_some(A + r * state_dim + i, count) * step[r]);
            Floats h = fma(load_some(place, count), decay, factor[r] * b);
            store_some(place, h, count);
            total[r] = fma(h, c, total[r]);
        }
    });
    for (int r = 0; r < R; ++r) totals[r] = total[r];
}

// Tokens first .. first + tokens for `rows` <= width channels, from `channel`.
template <class E>
inline void scan_tile(const SelectiveScan& scan, Index channel, int rows, Index first,
                      Index tokens) {
    const Index size = scan.state_dim;
    float* state = scan.state + channel * size;
    const float* A = scan.A + channel * size;
    Floats bias = load_some(scan.dt_bias + channel, rows), D = load_some(scan.D + channel, rows);
    for (Index t = first; t < first + tokens; ++t) {
        const E* dt_in = static_cast<const E*>(scan.dt) + t * scan.dt_stride + channel;
        const E* z = static_cast<const E*>(scan.z) + t * scan.z_stride + channel;
        const float *B = scan.B + t * scan.stride, *C = scan.C + t * scan.stride;
        Floats x = load_some(scan.x + t * scan.x_stride + channel, rows);
        Floats steps = softplus(load_some(dt_in, rows) + bias);
        float dt[Floats::width], added[Floats::width];
        store(dt, steps);
        store(added, steps * x);
        Floats totals[Floats::width];
        int r = 0;
        for (; r + 4 <= rows; r += 4)
            move_rows<4>(state + r * size, A + r * size, size, dt + r, added + r, B, C, totals + r);
        for (; r < rows; ++r)
            move_rows<1>(state + r * size, A + r * size, size, dt + r, added + r, B, C, totals + r);
        for (; r < Floats::width; ++r) totals[r] = zeros();
        Floats y = fma(D, x, ssd_detail::sums<Floats::width>(totals));
        E* out = static_cast<E*>(scan.y) + t * scan.y_stride + channel;
        store_some(out, y * silu(load_some(z, rows)), rows);
    }
}

template <class E> void scan(const SelectiveScan& scan, Index first, Index last) {
    if (scan.rows == 0) return;
    const Index size = scan.state_dim;
    if (scan.fresh)
        std::memset(scan.state + first * size, 0, std::size_t((last - first) * size) * sizeof(float));
    for (Index start = 0; start < scan.rows; start += BLOCK) {
        Index tokens = start + BLOCK < scan.rows ? BLOCK : scan.rows - start;
        for_vectors(last - first, [&](Index i, int rows) {
            scan_tile<E>(scan, first + i, rows, start, tokens);
        });
    }
}

}  // namespace selective_scan_detail

template <class E> void fill_selective_scan(Kernels& table) {
    table.selective_scan = selective_scan_detail::scan<E>;
}

}  // namespace NAGA_ISA
}  // namespace naga
