// What tests/native/sanitize.cpp measures kernels with: arrays at the edge of memory, and what
// kernels compute as scalar loops in double, without rounding on the way.
//
// T tokens (rows), K columns in, N columns out; dims of mixers as in PlanConfig.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "../../naga/native/plan.hpp"

using naga::Element, naga::Index, naga::PlanConfig;
using Values = std::vector<double>;
constexpr Element WIDE = Element::float32;

inline std::mt19937_64 source;
inline Index pick(Index low, Index high) { return low + Index(source() % (high - low + 1)); }
inline bool once_in(Index n) { return pick(1, n) == 1; }
inline Index odd(Index most) { return 2 * pick(0, (most - 1) / 2) + 1; }

// f over ranges that make up [0, count), empty ones among them.
template <class F> void in_parts(Index count, F f) {
    Index a = pick(0, count), b = pick(a, count);
    f(Index(0), a);
    f(a, a);
    f(a, b);
    f(b, count);
}

// (rows, columns) with a gap after each row but the last; all bits set at first, which is NaN.
//
// Ends where its memory does: on the heap, where the sanitizer sees plain accesses, or before a
// closed page, where the processor stops masked ones too, which the sanitizer does not see.
class Array {
  public:
    Index rows, columns, stride;
    Element type;

    Array(Element type, Index rows, Index columns, Index gap = 0)
        : rows(rows), columns(columns), stride(columns + gap), type(type) {
        std::size_t bytes = rows ? ((rows - 1) * stride + columns) * size() : 0;
        if (once_in(2)) {
            std::size_t page = sysconf(_SC_PAGESIZE), open = (bytes + page - 1) / page * page;
            void* mapped = mmap(nullptr, open + page, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (mapped == MAP_FAILED) std::abort();
            memory_ = {static_cast<char*>(mapped), [=](char* p) { munmap(p, open + page); }};
            mprotect(memory_.get() + open, page, PROT_NONE);
            data_ = memory_.get() + open - bytes;
        } else {
            std::size_t before = pick(0, 3) * size();
            memory_ = {static_cast<char*>(std::malloc(before + bytes)), std::free};
            data_ = memory_.get() + before;
        }
        std::memset(data_, 0xff, bytes);
    }

    Index size() const { return type == WIDE ? 4 : 2; }
    char* at(Index row = 0, Index column = 0) const {
        return data_ + (row * stride + column) * size();
    }
    float* floats(Index row = 0, Index column = 0) const {
        return reinterpret_cast<float*>(at(row, column));
    }
    // A bfloat16 is the upper half of a float32.
    double get(Index row, Index column) const {
        std::uint32_t bits = 0;
        float x;
        std::memcpy(reinterpret_cast<char*>(&bits) + 4 - size(), at(row, column), size());
        std::memcpy(&x, &bits, 4);
        return x;
    }
    void set(Index row, Index column, double x) {
        float narrow = float(x);
        std::uint32_t bits;
        std::memcpy(&bits, &narrow, 4);
        if (type != WIDE && x == x) bits += 0x7fff + (bits >> 16 & 1);
        std::memcpy(at(row, column), reinterpret_cast<char*>(&bits) + 4 - size(), size());
    }
    Array& fill(double scale = 1, double middle = 0) {
        std::normal_distribution<double> normal(middle, scale);
        for (Index i = 0; i < rows * columns; ++i) set(i / columns, i % columns, normal(source));
        return *this;
    }
    // A NaN or an infinity somewhere, now and then.
    Array& spoil() {
        const double bad[] = {NAN, INFINITY, -INFINITY};
        if (rows && once_in(3)) set(pick(0, rows - 1), pick(0, columns - 1), bad[pick(0, 2)]);
        return *this;
    }
    Values values() const {
        Values all;
        for (Index i = 0; i < rows * columns; ++i) all.push_back(get(i / columns, i % columns));
        return all;
    }
    bool gaps_kept() const {
        for (Index row = 0; row + 1 < rows; ++row)
            for (char* p = at(row, columns); p < at(row + 1); ++p)
                if (*p != char(0xff)) return false;
        return true;
    }

  private:
    std::unique_ptr<char, std::function<void(char*)>> memory_;
    char* data_;
};

inline double silu(double x) { return x / (1 + std::exp(-x)); }
inline double softplus(double x) { return x > 20 ? x : std::log1p(std::exp(x)); }
inline double clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

// x (T, K) · w (N, K)ᵀ
inline Values multiply(const Values& x, const Values& w, Index K) {
    Values y;
    for (auto row = x.begin(); row != x.end(); row += K)
        for (auto weight = w.begin(); weight != w.end(); weight += K)
            y.push_back(std::inner_product(row, row + K, weight, 0.0));
    return y;
}

// Columns [first, last) of rows of `width`.
inline Values columns(const Values& x, Index width, Index first, Index last) {
    Values part;
    for (auto row = x.begin(); row != x.end(); row += width)
        part.insert(part.end(), row + first, row + last);
    return part;
}

inline Values normalise(Values x, const Values& weight, Index size, double eps) {
    for (Index i = 0, count = x.size(); i < count; i += size) {
        double squares = std::inner_product(&x[i], &x[i] + size, &x[i], 0.0);
        for (Index j = i; j < i + size; ++j)
            x[j] *= weight[j % weight.size()] / std::sqrt(squares / size + eps);
    }
    return x;
}

// x (W-1+T, C): before the first token come the inputs before it; weight (W, C).
inline Values convolve(const Values& x, const Values& weight, const Values& bias) {
    Index C = bias.size(), W = weight.size() / C, rows = x.size() / C;
    Values y;
    for (Index t = 0; t + W <= rows; ++t)
        for (Index c = 0; c < C; ++c) {
            double total = bias[c];
            for (Index w = 0; w < W; ++w) total += weight[w * C + c] * x[(t + w) * C + c];
            y.push_back(silu(total));
        }
    return y;
}

// xBC (T, H·P + 2·G·S); dt (T, H), bounded; state (H, P, S) moves on.
inline Values scan(const PlanConfig& c, const Values& xBC, const Values& dt, const Values& A,
                   const Values& D, Values& state) {
    const Index H = c.mamba_heads, P = c.mamba_head_dim, S = c.state_dim, T = dt.size() / H;
    Values y;
    for (Index t = 0; t < T; ++t)
        for (Index hp = 0; hp < H * P; ++hp) {
            Index h = hp / P, B = t * c.conv_dim() + H * P + h / (H / c.groups) * S;
            Index C = B + c.groups * S;
            double x = xBC[t * c.conv_dim() + hp], step = dt[t * H + h], total = D[h] * x;
            for (Index s = 0; s < S; ++s) {
                double& value = state[hp * S + s];
                value = value * std::exp(step * A[h]) + step * x * xBC[B + s];
                total += value * xBC[C + s];
            }
            y.push_back(total);
        }
    return y;
}

// x, dt, z (T, C), dt after softplus; A, state (C, S), which moves on; B, C (T, S).
inline Values selective_scan(const Values& x, const Values& dt, const Values& A, const Values& B,
                             const Values& C, const Values& D, const Values& z, Values& state) {
    const Index channels = D.size(), S = A.size() / channels;
    Values y;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const Index t = Index(i) / channels, c = Index(i) % channels;
        double total = D[c] * x[i];
        for (Index s = 0; s < S; ++s) {
            double& value = state[c * S + s];
            value = value * std::exp(dt[i] * A[c * S + s]) + dt[i] * x[i] * B[t * S + s];
            total += value * C[t * S + s];
        }
        y.push_back(total * silu(z[i]));
    }
    return y;
}

// The first r dims of x (T, heads, d); angles rounded to float32, as large ones show.
inline void rotate(Values& x, Index heads, Index d, Index r, Index start, const float* inverse) {
    for (Index head = 0, count = x.size() / d; head < count; ++head)
        for (Index i = 0; i < r / 2; ++i) {
            float angle = float(start + head / heads) * inverse[i];
            double left = x[head * d + i], right = x[head * d + i + r / 2];
            double cos = std::cos(double(angle)), sin = std::sin(double(angle));
            x[head * d + i] = left * cos - right * sin;
            x[head * d + i + r / 2] = right * cos + left * sin;
        }
}

// q (T, H, d); keys and values (positions, V, d); the first query stands at `start`.
inline Values attend(const PlanConfig& c, const Values& q, const Values& keys, const Values& values,
                     Index start) {
    const Index d = c.head_dim, rows = q.size() / d;
    Values y(q.size(), 0.0);
    for (Index row = 0; row < rows; ++row) {
        Index known = start + row / c.heads + 1, head = row % c.heads / (c.heads / c.key_heads);
        auto at = [&](Index key) { return (key * c.key_heads + head) * d; };
        Values scores;
        for (Index key = 0; key < known; ++key)
            scores.push_back(std::inner_product(&q[row * d], &q[row * d] + d, &keys[at(key)], 0.0));
        double peak = *std::max_element(scores.begin(), scores.end()), total = 0;
        for (double& score : scores)
            total += score = std::exp(c.softmax_scale * (score - peak));
        for (Index key = 0; key < known; ++key)
            for (Index i = 0; i < d; ++i)
                y[row * d + i] += scores[key] / total * values[at(key) + i];
    }
    return y;
}

// (T, 2·inner) or (T, inner) -> (T, inner)
inline Values activate(const Values& x, Index inner, bool gated) {
    Values y = columns(x, gated ? 2 * inner : inner, 0, inner);
    Values up = gated ? columns(x, 2 * inner, inner, 2 * inner) : Values();
    for (std::size_t i = 0; i < y.size(); ++i)
        y[i] = gated ? silu(y[i]) * up[i] : y[i] < 0 ? 0 : y[i] * y[i];
    return y;
}
