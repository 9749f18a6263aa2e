#include "sample.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace naga {
namespace {

// Philox 4x64-10 (Salmon et al., SC 2011), keyed and counted as NumPy's Philox is: block b of a
// position has the counter (b + 1, position, 0, 0) and gives the noise of tokens 4b .. 4b + 3.
class Noise {
  public:
    explicit Noise(const Draw& draw)
        : seed_(draw.seed), choice_(draw.choice), position_(draw.position) {}

    // 1 - u for the uniform u of this token: a middle of one of 2^52 cells of (0, 1).
    double distance_to_one(Index token) {
        return double((std::uint64_t(1) << 52) - (word(token) >> 12)) * CELL - 0.5 * CELL;
    }
    double gumbel(Index token) {
        double uniform = (double(word(token) >> 12) + 0.5) * CELL;
        return -std::log(-std::log(uniform));
    }

  private:
    // Blocks computed together: one waits for its products where another has them.
    static constexpr Index TOGETHER = 8;
    static constexpr double CELL = 1.0 / double(std::uint64_t(1) << 52);

    std::uint64_t word(Index token) {
        if (token < first_ || token >= first_ + 4 * TOGETHER)
            compute(token / (4 * TOGETHER) * TOGETHER);
        return words_[(token - first_) / 4][token % 4];
    }
    static std::uint64_t multiply(std::uint64_t a, std::uint64_t b, std::uint64_t& high) {
        unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
        high = std::uint64_t(product >> 64);
        return std::uint64_t(product);
    }
    void compute(Index block) {
        for (Index i = 0; i < TOGETHER; ++i) {
            words_[i][0] = std::uint64_t(block + i) + 1;
            words_[i][1] = position_;
            words_[i][2] = words_[i][3] = 0;
        }
        std::uint64_t key[2] = {seed_, choice_};
        for (int round = 0; round < 10; ++round) {
            for (Index i = 0; i < TOGETHER; ++i) {
                std::uint64_t high0, high1;
                std::uint64_t low0 = multiply(0xD2E7470EE14C6C93u, words_[i][0], high0);
                std::uint64_t low1 = multiply(0xCA5A826395121157u, words_[i][2], high1);
                words_[i][0] = high1 ^ words_[i][1] ^ key[0];
                words_[i][1] = low1;
                words_[i][2] = high0 ^ words_[i][3] ^ key[1];
                words_[i][3] = low0;
            }
            key[0] += 0x9E3779B97F4A7C15u;
            key[1] += 0xBB67AE8584CAA73Bu;
        }
        first_ = 4 * block;
    }

    std::uint64_t seed_, choice_, position_;
    std::uint64_t words_[TOGETHER][4] = {};
    Index first_ = -4 * TOGETHER;  // token of the first word
};

// What the draw is from: the logits, their largest, the temperature, and exp((logit - peak) / T).
struct Row {
    const float* logits;
    Index count;
    double peak, temperature;
    const float* weights;

    double scaled(Index token) const { return (double(logits[token]) - peak) / temperature; }
    // More likely tokens first, lower ids first among equals.
    bool before(Index a, Index b) const {
        return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    }
};

// The largest of scaled + noise among tokens offered in ascending order.
class Best {
  public:
    Best(const Row& row, const Draw& draw) : row_(row), noise_(draw) {}

    void offer(Index token) {
        // The noise is at most -log(1 - u), so this token loses unless 1 - u < exp(scaled - best).
        // The margin covers what the rounding of the weight could hide.
        if (token_ >= 0 && noise_.distance_to_one(token) > 1.001 * row_.weights[token] * room_)
            return;
        double score = row_.scaled(token) + noise_.gumbel(token);
        if (token_ >= 0 && (score < score_ || (score == score_ && token > token_))) return;
        token_ = token;
        score_ = score;
        room_ = std::exp(-score);
    }
    Index token() const { return token_; }

  private:
    const Row& row_;
    Noise noise_;
    Index token_ = -1;
    double score_ = 0, room_ = 0;
};

// The tokens that top-k, then top-p leave, most likely first.
std::vector<Index> allowed(const Row& row, const Draw& draw) {
    double total = 0;
    for (Index i = 0; i < row.count; ++i) total += double(row.weights[i]);
    std::vector<Index> kept;
    double mass = 0;
    // All tokens of at least some weight, less and less, until those the masks keep are among them.
    for (float least = 1.0f / 64;; least = least > 1e-30f ? least / 64 : 0) {
        kept.clear();
        mass = 0;
        for (Index i = 0; i < row.count; ++i)
            if (row.weights[i] >= least) {
                kept.push_back(i);
                mass += double(row.weights[i]);
            }
        bool enough = draw.top_k ? Index(kept.size()) >= draw.top_k : mass >= draw.top_p * total;
        if (enough || least == 0) break;
    }
    std::sort(kept.begin(), kept.end(), [&](Index a, Index b) { return row.before(a, b); });
    if (draw.top_k && Index(kept.size()) > draw.top_k) kept.resize(std::size_t(draw.top_k));
    if (draw.top_p == 1) return kept;
    std::vector<double> probabilities;
    for (Index token : kept) probabilities.push_back(std::exp(row.scaled(token)));
    double reach = draw.top_k ? std::accumulate(probabilities.begin(), probabilities.end(), 0.0)
                              : total;
    // Up to the first token at which the sum reaches top_p, that one included.
    double reached = 0;
    std::size_t last = 0;
    for (; last < kept.size() && reached < draw.top_p * reach; ++last)
        reached += probabilities[last];
    kept.resize(last);
    return kept;
}

Index draw_token(const Row& row, const Draw& draw) {
    Best best(row, draw);
    // A likely token first: it makes nearly all others lose at once.
    best.offer(std::max_element(row.logits, row.logits + row.count) - row.logits);
    if (!draw.top_k && draw.top_p == 1) {
        for (Index token = 0; token < row.count; ++token) best.offer(token);
    } else {
        for (Index token : allowed(row, draw)) best.offer(token);
    }
    return best.token();
}

}  // namespace

Chosen sample(const Kernels& kernels, const float* logits, Index count, const Draw& draw,
              float* weights) {
    // A bound keeps 0 · infinity away; weights are upper bounds then, which is all they need to be.
    double sharpness = draw.temperature > 0 ? std::min(1 / draw.temperature, 1e30) : 1;
    float peak;
    double total;
    if (!kernels.weigh({logits, count, float(sharpness), weights}, peak, total)) return {-1, 0};
    Index token = draw.temperature == 0
                      ? std::find(logits, logits + count, peak) - logits
                      : draw_token({logits, count, peak, draw.temperature, weights}, draw);
    return {token, double(logits[token]) - peak - std::log(total)};
}

}  // namespace naga
