// The sequential scan of one sequence: per token one pass over a head's state, in float32.
//
// Lanes lie along the state dimension, several rows of a head's (P, S) state share B and C. A row
// of y sums its S products in one order, whatever the call's tokens and whichever heads a thread
// has. Assumes that groups divide heads. Does not convolve, gate or norm.
#include "../../native/kernels.hpp"
#include "../../native/simd.hpp"

#include <utility>

namespace naga {
namespace NAGA_ISA {
namespace ssd_detail {

// Tokens that a few rows of state go through before the next rows do: those rows then stay in the
// nearest cache, which a whole state would fill. Changes no result.
constexpr Index BLOCK = 64;

struct Steps {
    float dt[BLOCK], decay[BLOCK];
};

// log(1 + power) for power = exp(x).
inline float softplus(float x, float power) { return x > 20 ? x : std::log1p(power); }

// Keeps a NaN.
inline float clamp(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

// dt and decay of one head for tokens first .. first + count; decay holds exp(dt) on the way.
template <class E>
inline void make_steps(const Scan& scan, Index head, Index first, Index count, Steps& steps) {
    const E* dt = static_cast<const E*>(scan.dt) + first * scan.dt_stride + head;
    for (Index t = 0; t < count; ++t)
        steps.dt[t] = widen(dt[t * scan.dt_stride]) + scan.dt_bias[head];
    for_vectors(count, [&](Index t, int some) {
        store_some(steps.decay + t, exp(load_some(steps.dt + t, some)), some);
    });
    for (Index t = 0; t < count; ++t)
        steps.dt[t] = clamp(softplus(steps.dt[t], steps.decay[t]), scan.dt_low, scan.dt_high);
    for_vectors(count, [&](Index t, int some) {
        Floats power = load_some(steps.dt + t, some) * broadcast(scan.A[head]);
        store_some(steps.decay + t, exp(power), some);
    });
}

// Vectors a, b hold segments of L partial sums each: adds the halves of every segment, a's first.
template <int L, class F, int... I>
inline F add_halves(F a, F b, std::integer_sequence<int, I...>) {
    constexpr int half = L / 2;
    return {__builtin_shufflevector(a.v, b.v, (I / half * L + I % half)...) +
            __builtin_shufflevector(a.v, b.v, (I / half * L + I % half + half)...)};
}

// Lane r of the result is sum(x[r]), in the order of `sum`; x is used up. A template for the sake
// of the branch not taken.
template <int L, class F> inline F sums(F* x) {
    if constexpr (F::width == 4) {
        return {{sum(x[0]), sum(x[1]), sum(x[2]), sum(x[3])}};
    } else if constexpr (L == 1) {
        return x[0];
    } else {
        for (int i = 0; i < L / 2; ++i)
            x[i] = add_halves<L>(x[2 * i], x[2 * i + 1],
                                 std::make_integer_sequence<int, F::width>{});
        return sums<L / 2>(x);
    }
}

// One token for R rows of state: h = decay · h + added[r] · B; totals[r]: lanes of h · C.
template <int R>
inline void move_rows(float* state, Index state_dim, Floats decay, const float* added,
                      const float* B, const float* C, Floats* totals) {
    Floats factor[R], total[R];
    for (int r = 0; r < R; ++r) {
        factor[r] = broadcast(added[r]);
        total[r] = zeros();
    }
    for_vectors(state_dim, [&](Index i, int count) {
        Floats b = load_some(B + i, count), c = load_some(C + i, count);
        for (int r = 0; r < R; ++r) {
            float* place = state + r * state_dim + i;
            Floats h = fma(load_some(place, count), decay, factor[r] * b);
            store_some(place, h, count);
            total[r] = fma(h, c, total[r]);
        }
    });
    for (int r = 0; r < R; ++r) totals[r] = total[r];
}

// Tokens first .. first + tokens for `rows` <= width rows of a head, from row p.
inline void scan_tile(const Scan& scan, const Steps& steps, Index head, Index p, int rows,
                      Index first, Index tokens) {
    Index group = head / (scan.heads / scan.groups) * scan.state_dim;
    Index column = head * scan.head_dim + p;
    float* state = scan.state + column * scan.state_dim;
    for (Index t = 0; t < tokens; ++t) {
        Index from = (first + t) * scan.stride;
        const float *B = scan.B + from + group, *C = scan.C + from + group;
        Floats x = load_some(scan.x + from + column, rows), decay = broadcast(steps.decay[t]);
        float added[Floats::width];
        store(added, x * broadcast(steps.dt[t]));
        Floats totals[Floats::width];
        int r = 0;
        for (; r + 4 <= rows; r += 4)
            move_rows<4>(state + r * scan.state_dim, scan.state_dim, decay, added + r, B, C,
                         totals + r);
        for (; r < rows; ++r)
            move_rows<1>(state + r * scan.state_dim, scan.state_dim, decay, added + r, B, C,
                         totals + r);
        for (; r < Floats::width; ++r) totals[r] = zeros();
        Floats y = fma(broadcast(scan.D[head]), x, sums<Floats::width>(totals));
        store_some(scan.y + (first + t) * scan.y_stride + column, y, rows);
    }
}

template <class E> inline void scan_head(const Scan& scan, Index head) {
    Index size = scan.head_dim * scan.state_dim;
    if (scan.fresh) std::memset(scan.state + head * size, 0, std::size_t(size) * sizeof(float));
    Steps steps;
    for (Index first = 0; first < scan.rows; first += BLOCK) {
        Index tokens = first + BLOCK < scan.rows ? BLOCK : scan.rows - first;
        make_steps<E>(scan, head, first, tokens, steps);
        for_vectors(scan.head_dim, [&](Index p, int rows) {
            scan_tile(scan, steps, head, p, rows, first, tokens);
        });
    }
}

template <class E> void scan(const Scan& scan, Index first, Index last) {
    if (scan.rows == 0) return;
    for (Index head = first; head < last; ++head) scan_head<E>(scan, head);
}

}  // namespace ssd_detail

template <class E> void fill_ssd(Kernels& table) {
    table.scan = ssd_detail::scan<E>;
}

}  // namespace NAGA_ISA
}  // namespace naga
