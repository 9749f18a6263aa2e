#include "plan.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "read.hpp"

namespace naga {
namespace {

constexpr std::size_t LINE = 64;
// Queries of one attention item; items of one round keep their parts within this many floats.
constexpr Index QUERY_TILE = 16;
constexpr Index PARTIAL_FLOATS = 8 << 20;
// Channels of the convolution are shared out in whole lines.
constexpr Index CHANNEL_BLOCK = 16;
// Rows whose logits stand in memory at once.
constexpr std::size_t CHUNK_ROWS = 16;

Index divide_up(Index a, Index b) { return (a + b - 1) / b; }

// (2, 3), as Python writes it.
std::string list(const std::vector<Index>& shape) {
    std::string text = "(";
    for (Index n : shape) text += std::to_string(n) + ", ";
    if (shape.size() > 1) text.pop_back();
    return text.substr(0, text.size() - 1) + ")";
}

// How a sequence's attention is cut: `at_once` tiles of queries keep their parts at a time.
struct Rounds {
    Index spans, tile_floats, tiles, at_once;
};

Rounds rounds(const PlanConfig& c, const Sequence& q) {
    Index spans = divide_up(q.start + q.length, SPAN);
    Index tile_floats = QUERY_TILE * spans * (c.heads / c.key_heads) * (c.head_dim + 2);
    Index tiles = divide_up(q.length, QUERY_TILE);
    Index most = std::max(Index(1), PARTIAL_FLOATS / (tile_floats * c.key_heads));
    return {spans, tile_floats, tiles, std::min(most, tiles)};
}

// One layer's keys and values, of no sequence in particular.
Pages pages_of(const States& states, Index layer, Index key_heads, Index head_dim, Index element) {
    Index rows = layer * states.pages * states.page_size * key_heads;
    Index bytes = rows * head_dim * (states.key_scales ? 1 : element);
    return {static_cast<char*>(states.keys) + bytes,
            static_cast<char*>(states.values) + bytes,
            nullptr,
            states.page_size,
            states.key_scales ? states.key_scales + rows : nullptr,
            states.key_scales ? states.value_scales + rows : nullptr};
}

void require_group(Format format, Index group) {
    if (format == Format::int4 && group == 0)
        throw std::invalid_argument("group: int4 needs groups of 32, 64 or 128 columns");
    if (group != 0 && group != 32 && group != 64 && group != 128)
        throw std::invalid_argument("group: use 32, 64 or 128, or 0 for all columns");
}

// Of a layer's state among those of its kind in a pool: H has both an M's and a *'s.
Index number_of(const std::string& layers, std::size_t layer, char kind) {
    return std::count_if(layers.begin(), layers.begin() + long(layer), [kind](char other) {
        return other == kind || (other == 'H' && (kind == 'M' || kind == '*'));
    });
}

class Buffer {
  public:
    // At least `bytes`, contents lost; the extra line lets vector loads end beyond the last row.
    void reserve(std::size_t bytes) {
        if (bytes <= size_) return;
        std::size_t whole = (bytes + 2 * LINE - 1) / LINE * LINE;
        void* memory = std::aligned_alloc(LINE, whole);
        if (!memory) throw std::bad_alloc();
        memory_.reset(memory);
        size_ = bytes;
    }
    void* get() const { return memory_.get(); }
    float* floats() const { return static_cast<float*>(memory_.get()); }
    char* bytes() const { return static_cast<char*>(memory_.get()); }

  private:
    struct Free {
        void operator()(void* p) const { std::free(p); }
    };
    std::unique_ptr<void, Free> memory_;
    std::size_t size_ = 0;
};

}  // namespace

Matrix quantised_matrix(Index rows, Index columns, Format format, Index group) {
    require_group(format, group);
    if (group == 0 && columns > MOST_SHARED)
        throw std::invalid_argument("columns: " + std::to_string(columns) + " cannot share a scale, " +
                                    "at most " + std::to_string(MOST_SHARED) +
                                    " can; use groups of 32, 64 or 128");
    return {rows, columns, nullptr, format, whole_group(group, columns)};
}

void Packed::shape(const Kernels& kernels, Index rows, Index columns, Format format,
                   Index group) {
    matrix_ = {rows, columns};
    if (format != Format::element) matrix_ = quantised_matrix(rows, columns, format, group);
    panels_ = kernels.panels(matrix_);
    bytes_ = kernels.packed_bytes(matrix_);
}

void Packed::fill(const Kernels& kernels, const void* weight, const float* importance,
                  Index first, Index last) {
    kernels.pack(weight, importance, matrix_, first, last, memory_);
}

// Where a named tensor goes: a packed matrix, as many as there are experts, or a vector.
struct Plan::Slot {
    Tensor tensor;
    Packed* packed;
    std::vector<float>* vector;
    bool loaded = false;
    Index parts() const { return tensor.kind == Tensor::experts ? tensor.shape[0] : 1; }
    [[noreturn]] void refuse(const std::string& why) const {
        throw std::invalid_argument(tensor.name + ": " + why);
    }
};

// Rows of an operand as int8, where weights are quantised.
struct Plan::Rounded {
    Buffer values, scales, totals;
    void reserve(Index groups, Index group) {
        values.reserve(std::size_t(groups * group));
        scales.reserve(std::size_t(groups) * 4);
        totals.reserve(std::size_t(groups) * 4);
    }
    Quantised view() const {
        return {static_cast<std::int8_t*>(values.get()), scales.floats(),
                static_cast<std::int32_t*>(totals.get())};
    }
};

struct Plan::Scratch {
    Rounded queries_int8, normed_int8, second_int8, shared_int8, gathered_int8, activated_int8,
        head_int8, latent_int8, rank_int8;
    Buffer left, right;  // H: what its halves give
    Buffer hidden, chunk, x, normed, first, second, third, conv, scanned, wide, partial, shared_up,
        shared_in, shared_out, gathered, latent, selected, steps;
    // Experts: rows sorted by expert, where each expert's begin, and where a choice's row lies.
    std::vector<std::int32_t> choices;
    std::vector<float> weights, logits, scores;
    std::vector<Index> begins, row_of, token_of, items;
    std::vector<Sampler> samplers;
};

struct Plan::Step {
    const Index* tokens;
    const std::vector<Sequence>& sequences;
    const States& states;
    Index rows;
};

Plan::~Plan() = default;

Plan::Plan(const PlanConfig& config, const Kernels& kernels, int threads)
    : config_(config), kernels_(kernels), pool_(threads), scratch_(new Scratch) {
    const Index group = config.group;
    if (config.format != Format::element) require_group(config.format, group);
    Index width = config.hidden_dim;
    layers_.resize(config.layers.size());
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        Layer& layer = layers_[i];
        layer.kind = config.layers[i];
        layer.number = number_of(config.layers, i, layer.kind);
        std::string prefix = "layers." + std::to_string(i) + ".";
        add(prefix + "norm.weight", &layer.norm, {width});
        make_layer(layer, prefix + "mixer.");
    }
    add("norm.weight", &final_norm_, {width});
    // The head and the embedding are never held in less than eight bits.
    Format head = config.format == Format::element ? Format::element : Format::int8;
    auto vocabulary = [&](const char* name, Packed& packed) {
        packed.shape(kernels, config.vocab_size, width, head, group);
        add(name, &packed, {config.vocab_size, width});
    };
    vocabulary(config.tied ? "embed.weight" : "head.weight", head_);
    if (!config.tied) vocabulary("embed.weight", embed_);
    std::size_t bytes = 0;
    for (const Slot& slot : slots_)
        if (slot.packed) bytes += Arena::piece(std::size_t(slot.parts()) * slot.packed->bytes());
    arena_ = Arena(bytes);
    if (config.rope_base > 0)
        for (Index i = 0; i < config.rotary_dim; i += 2) {
            const float exponent = float(i) / float(config.rotary_dim);
            inverse_.push_back(1 / std::pow(config.rope_base, exponent));
            if (!config.rope_scales.empty())
                inverse_.back() *= config.rope_scales.at(std::size_t(i / 2));
        }
}

void Plan::add(const std::string& name, Packed* packed, std::vector<Index> shape) {
    Tensor::Kind kind = shape.size() == 3 ? Tensor::experts : Tensor::matrix;
    slots_.push_back({{name, std::move(shape), kind}, packed, nullptr});
}

void Plan::add(const std::string& name, std::vector<float>* vector, std::vector<Index> shape) {
    Index count = 1;
    for (Index n : shape) count *= n;
    vector->resize(std::size_t(count));
    slots_.push_back({{name, std::move(shape), Tensor::vector}, nullptr, vector});
}

void Plan::make_layer(Layer& layer, const std::string& prefix) {
    const PlanConfig& c = config_;
    Index width = c.hidden_dim;
    auto matrix_in = [&](Format format, std::size_t i, const char* name, Index rows, Index columns) {
        layer.matrices[i].shape(kernels_, rows, columns, format, c.group);
        add(prefix + name + ".weight", &layer.matrices[i], {rows, columns});
    };
    auto matrix = [&](std::size_t i, const char* name, Index rows, Index columns) {
        matrix_in(c.format, i, name, rows, columns);
    };
    // What decays are made with, like embeddings, is never held in less than eight bits.
    const Format eight = c.format == Format::element ? Format::element : Format::int8;
    auto vector = [&](std::size_t i, const char* name, std::vector<Index> shape) {
        add(prefix + name, &layer.vectors[i], std::move(shape));
    };
    layer.matrices.resize(4);
    layer.vectors.resize(6);
    switch (layer.kind) {
        case 'M':
            matrix(0, "in_proj", c.in_proj_dim(), width);
            matrix(1, "out_proj", width, c.inner_dim());
            vector(0, "conv.weight", {c.conv_dim(), c.conv_width});
            vector(1, "conv.bias", {c.conv_dim()});
            vector(2, "dt_bias", {c.mamba_heads});
            vector(3, "A_log", {c.mamba_heads});
            vector(4, "D", {c.mamba_heads});
            if (c.gate_norm) vector(5, "norm.weight", {c.inner_dim()});
            return;
        case 'S':
            layer.vectors.resize(8);
            matrix(0, "in_proj", 2 * c.mamba1_dim, width);
            matrix_in(eight, 1, "x_proj", c.select_dim(), c.mamba1_dim);
            matrix_in(eight, 2, "dt_proj", c.mamba1_dim, c.dt_rank);
            matrix(3, "out_proj", width, c.mamba1_dim);
            vector(0, "conv.weight", {c.mamba1_dim, c.mamba1_conv_width});
            vector(1, "conv.bias", {c.mamba1_dim});
            vector(2, "dt_bias", {c.mamba1_dim});
            vector(3, "A_log", {c.mamba1_dim, c.mamba1_state_dim});
            vector(4, "D", {c.mamba1_dim});
            if (c.mamba1_norms) {
                vector(5, "dt_norm.weight", {c.dt_rank});
                vector(6, "B_norm.weight", {c.mamba1_state_dim});
                vector(7, "C_norm.weight", {c.mamba1_state_dim});
            }
            return;
        case '*':
            matrix(0, "q_proj", c.heads * c.head_dim, width);
            matrix(1, "k_proj", c.key_heads * c.head_dim, width);
            matrix(2, "v_proj", c.key_heads * c.head_dim, width);
            matrix(3, "o_proj", width, c.heads * c.head_dim);
            if (c.qk_norm) {
                vector(0, "q_norm.weight", {c.head_dim});
                vector(1, "k_norm.weight", {c.head_dim});
            }
            return;
        case '-':
            matrix(0, "up", (c.mlp_gated ? 2 : 1) * c.mlp_dim, width);
            matrix(1, "down", width, c.mlp_dim);
            return;
        case 'H':
            return make_halves(layer, prefix);
        case 'E': {
            Index up = (c.expert_gated ? 2 : 1) * c.expert_dim;
            vector(0, "router.weight", {c.experts, width});
            if (c.sigmoid_router) vector(1, "router.bias", {c.experts});
            layer.up.resize(std::size_t(c.experts));
            layer.down.resize(std::size_t(c.experts));
            const Index inner = c.expert_width();
            for (Packed& expert : layer.up) expert.shape(kernels_, up, inner, c.format, c.group);
            for (Packed& expert : layer.down)
                expert.shape(kernels_, inner, c.expert_dim, c.format, c.group);
            add(prefix + "experts.up", layer.up.data(), {c.experts, up, inner});
            add(prefix + "experts.down", layer.down.data(), {c.experts, inner, c.expert_dim});
            if (c.latent_dim) {
                matrix(2, "enter_proj", inner, width);
                matrix(3, "leave_proj", width, inner);
            }
            if (c.shared_dim) {
                matrix(0, "shared.up", (c.expert_gated ? 2 : 1) * c.shared_dim, width);
                matrix(1, "shared.down", width, c.shared_dim);
            }
            return;
        }
    }
    throw std::invalid_argument(std::string("pattern letter ") + layer.kind +
                                ": the native plan knows M, *, -, E, S and H");
}

void Plan::make_halves(Layer& layer, const std::string& prefix) {
    const std::size_t place = std::size_t(&layer - layers_.data());
    layer.halves.resize(2);
    for (std::size_t i = 0; i < 2; ++i) {
        Layer& half = layer.halves[i];
        half.kind = "M*"[i];
        half.number = number_of(config_.layers, place, half.kind);
        make_layer(half, prefix + (i ? "attention." : "mamba."));
    }
}

// f(packed) for every packed matrix.
template <class F> void Plan::each_packed(F f) const {
    f(head_);
    f(embed_);
    for (const Layer& layer : layers_) each_packed(layer, f);
}

template <class F> void Plan::each_packed(const Layer& layer, F f) {
    for (const auto* group : {&layer.matrices, &layer.up, &layer.down})
        for (const Packed& packed : *group) f(packed);
    for (const Layer& half : layer.halves) each_packed(half, f);
}

std::size_t Plan::weight_bytes() const {
    std::size_t total = 0;
    each_packed([&](const Packed& packed) { total += packed.bytes(); });
    for (const Slot& slot : slots_)
        if (slot.vector) total += 4 * slot.vector->size();
    return total;
}

std::vector<Tensor> Plan::tensors() const {
    std::vector<Tensor> all;
    for (const Slot& slot : slots_) all.push_back(slot.tensor);
    return all;
}

Plan::Slot& Plan::find(const std::string& name) {
    auto found = std::find_if(slots_.begin(), slots_.end(),
                              [&](const Slot& slot) { return slot.tensor.name == name; });
    if (found == slots_.end()) throw std::invalid_argument(name + ": not a tensor of this model");
    return *found;
}

void Plan::load_packed(const Slot& slot, Element type, const void* data, const float* importance) {
    const Matrix& matrix = slot.packed->matrix();
    const bool quantised = matrix.format != Format::element;
    if (type != kernels_.element && !quantised) slot.refuse("has another dtype");
    if (importance && !quantised) slot.refuse("is not quantised here, so takes no importance");
    const Kernels& source = *naga::kernels(kernels_.isa, type);
    const Index parts = slot.parts(), panels = slot.packed->panels();
    const Index bytes = matrix.rows * matrix.columns * source.element_bytes;
    place(slot);
    pool_.run([&](Team& team) {
        const Index begin = team.begin(parts * panels), end = team.end(parts * panels);
        for (Index i = begin / panels; i * panels < end; ++i)
            slot.packed[i].fill(source, static_cast<const char*>(data) + i * bytes, importance,
                                std::max(begin - i * panels, Index(0)),
                                std::min(end - i * panels, panels));
    });
}

void Plan::load(const std::string& name, const std::vector<Index>& shape, Element type,
                const void* data, const float* importance) {
    Slot& slot = find(name);
    if (slot.tensor.shape != shape) slot.refuse("has another shape");
    if (slot.packed) {
        load_packed(slot, type, data, importance);
        slot.loaded = true;
        return;
    }
    if (type != Element::float32) slot.refuse("has another dtype");
    if (importance) slot.refuse("is not quantised here, so takes no importance");
    slot.loaded = true;
    std::vector<float>& vector = *slot.vector;
    const float* floats = static_cast<const float*>(data);
    auto ends_with = [&](const std::string& end) {
        return name.size() >= end.size() && !name.compare(name.size() - end.size(), end.size(), end);
    };
    if (ends_with("conv.weight")) {
        // (C, W) -> (W, C): lanes run over channels.
        for (Index c = 0; c < shape[0]; ++c)
            for (Index w = 0; w < shape[1]; ++w)
                vector[std::size_t(w * shape[0] + c)] = floats[c * shape[1] + w];
    } else if (ends_with("A_log")) {
        for (std::size_t i = 0; i < vector.size(); ++i) vector[i] = -std::exp(floats[i]);
    } else {
        std::copy(floats, floats + vector.size(), vector.begin());
    }
}

// Memory for all parts of a matrix, one after the other, if they have none yet.
char* Plan::place(const Slot& slot) {
    const std::size_t part = slot.packed->bytes();
    if (!slot.packed->memory()) {
        char* all = arena_.take(std::size_t(slot.parts()) * part);
        for (Index i = 0; i < slot.parts(); ++i) slot.packed[i].place(all + std::size_t(i) * part);
    }
    return slot.packed->memory();
}

void Plan::borrow(const std::string& name, const std::vector<Index>& shape, const char* data) {
    Slot& slot = find(name);
    if (!slot.packed || slot.packed->matrix().format == Format::element)
        slot.refuse("is not quantised here, so it takes no packed bytes");
    const std::size_t part = slot.packed->bytes();
    std::vector<Index> packed{Index(part)};
    if (slot.tensor.kind == Tensor::experts) packed.insert(packed.begin(), slot.parts());
    if (shape != packed) slot.refuse("packed, has another shape than " + list(packed));
    if (slot.packed->memory()) slot.refuse("has memory of its own already");
    for (Index i = 0; i < slot.parts(); ++i) slot.packed[i].borrow(data + std::size_t(i) * part);
    slot.loaded = true;
}

void Plan::settle(const std::string& name) {
    Slot& slot = find(name);
    if (!slot.loaded || !slot.packed || slot.packed->memory()) slot.refuse("is not borrowed");
    const char* from = static_cast<const char*>(slot.packed->matrix().data);
    const Index bytes = slot.parts() * Index(slot.packed->bytes());
    char* to = place(slot);
    pool_.run([&](Team& team) {
        const Index lines = divide_up(bytes, Index(LINE));
        const Index begin = team.begin(lines) * Index(LINE);
        const Index end = std::min(team.end(lines) * Index(LINE), bytes);
        if (begin < end) std::memcpy(to + begin, from + begin, std::size_t(end - begin));
    });
}

std::vector<std::string> Plan::missing() const {
    std::vector<std::string> names;
    for (const Slot& slot : slots_)
        if (!slot.loaded) names.push_back(slot.tensor.name);
    return names;
}

std::size_t Plan::read_weights() {
    std::atomic<std::uint64_t> sink{0};
    pool_.run([&](Team& team) {
        std::uint64_t sum = 0;
        auto read = [&](const void* data, std::size_t bytes, Index parts) {
            if (!data || !parts) return;
            const std::size_t part = bytes / std::size_t(parts);
            const Index begin = team.begin(parts), end = team.end(parts);
            sum += read_words(static_cast<const char*>(data) + std::size_t(begin) * part,
                              std::size_t(end - begin) * part);
        };
        each_packed([&](const Packed& packed) {
            read(packed.matrix().data, packed.bytes(), packed.panels());
        });
        for (const Slot& slot : slots_)
            if (slot.vector) read(slot.vector->data(), 4 * slot.vector->size(),
                                  Index(slot.vector->size()));
        sink += sum;
    });
    return weight_bytes();
}

void Plan::grow(Index rows) {
    const PlanConfig& c = config_;
    Scratch& s = *scratch_;
    Index element = kernels_.element_bytes;
    auto elements = [&](Buffer& buffer, Index columns, Index count) {
        buffer.reserve(std::size_t(count * columns * element));
    };
    elements(s.x, c.hidden_dim, rows);
    elements(s.normed, c.hidden_dim, rows);
    Index attention = (c.heads + 2 * c.key_heads) * c.head_dim;
    Index mlp = 2 * c.mlp_dim;
    elements(s.first, std::max({c.in_proj_dim(), attention, mlp, 2 * c.mamba1_dim}), rows);
    const Index second = std::max({c.inner_dim(), c.heads * c.head_dim, c.mlp_dim, c.mamba1_dim});
    elements(s.second, second, rows);
    elements(s.selected, c.select_dim(), rows);
    elements(s.steps, c.mamba1_dim, rows);
    reserve_rounded(s.rank_int8, c.dt_rank, rows);
    s.queries_int8.reserve(rows * c.heads, c.head_dim);
    reserve_rounded(s.normed_int8, c.hidden_dim, rows);
    reserve_rounded(s.second_int8, second, rows);
    s.conv.reserve(std::size_t(rows * std::max(c.conv_dim(), c.mamba1_dim)) * 4);
    s.scanned.reserve(std::size_t(rows * std::max(c.inner_dim(), 2 * c.mamba1_state_dim)) * 4);
    if (c.layers.find('H') != std::string::npos)
        for (Buffer* half : {&s.left, &s.right}) elements(*half, c.hidden_dim, rows);
    if (!c.experts) return;
    Index pairs = rows * c.top_k;
    elements(s.gathered, c.expert_width(), pairs);
    reserve_rounded(s.gathered_int8, c.expert_width(), pairs);
    elements(s.latent, c.latent_dim, rows);
    reserve_rounded(s.latent_int8, c.latent_dim, rows);
    if (c.latent_dim) elements(s.first, c.hidden_dim, rows);
    reserve_rounded(s.activated_int8, c.expert_dim, pairs);
    reserve_rounded(s.shared_int8, c.shared_dim, rows);
    elements(s.third, 2 * c.expert_dim, pairs);
    elements(s.shared_up, std::max(2 * c.shared_dim, c.expert_dim), std::max(rows, pairs));
    elements(s.shared_in, c.shared_dim, rows);
    elements(s.shared_out, c.hidden_dim, rows);
    elements(s.partial, c.expert_width(), pairs);
    s.wide.reserve(std::size_t(rows * c.hidden_dim) * 4);
    s.choices.resize(std::size_t(pairs));
    s.weights.resize(std::size_t(pairs));
    s.logits.resize(std::size_t(rows * c.experts));
    s.scores.resize(std::size_t(rows * c.experts));
    s.row_of.resize(std::size_t(pairs));
    s.token_of.resize(std::size_t(pairs));
    s.begins.resize(std::size_t(c.experts + 1));
}

void Plan::step(const Index* tokens, const std::vector<Sequence>& sequences, const States& states,
                void* hidden) {
    Index rows = sequences.empty() ? 0 : sequences.back().first + sequences.back().length;
    grow(rows);
    if (config_.heads)
        for (const Sequence& q : sequences) {
            Rounds cut = rounds(config_, q);
            scratch_->partial.reserve(
                std::size_t(cut.tile_floats * cut.at_once * config_.key_heads) * 4);
        }
    Step step{tokens, sequences, states, rows};
    const Index width = config_.hidden_dim, bytes = width * kernels_.element_bytes;
    pool_.run([&](Team& team) {
        char* x = scratch_->x.bytes();
        std::vector<float> wide(static_cast<std::size_t>(width));
        for (Index row = team.begin(rows); row < team.end(rows); ++row) {
            char* to = x + row * bytes;
            const Packed& embed = config_.tied ? head_ : embed_;
            kernels_.packed_row(embed.matrix(), tokens[row], to);
            kernels_.widen(to, width, wide.data());
            kernels_.embed(wide.data(), width, config_.embedding_multiplier, to);
        }
        team.barrier();
        for (const Layer& layer : layers_) {
            norm_rows(team, rows, layer.norm);
            team.barrier();
            if (layer.kind == 'M') mamba(team, layer, step, residual());
            else if (layer.kind == 'S') mamba1(team, layer, step);
            else if (layer.kind == '*') attention(team, layer, step, residual());
            else if (layer.kind == 'H') parallel(team, layer, step);
            else if (layer.kind == '-') mlp(team, layer, step);
            else experts(team, layer, step);
            team.barrier();
        }
        norm_rows(team, rows, final_norm_);
        Index begin = team.begin(rows), end = team.end(rows);
        std::memcpy(static_cast<char*>(hidden) + begin * bytes, scratch_->normed.bytes() +
                    begin * bytes, std::size_t((end - begin) * bytes));
    });
}

void Plan::logits(const void* hidden, Index rows, float* logits) {
    const Index width = config_.hidden_dim;
    Rounded& rounded = scratch_->head_int8;
    reserve_rounded(rounded, width, rows);
    pool_.run([&](Team& team) {
        round(hidden, width, width, team.begin(rows), team.end(rows), rounded);
        team.barrier();
        product(team, hidden, width, rows, head_, rounded, logits, config_.vocab_size,
                Store::wide, config_.logits_multiplier / config_.logits_divisor);
    });
}

void Plan::sample(const float* logits, const std::vector<Draw>& draws, Chosen* chosen) {
    const Index rows = Index(draws.size());
    // As many rows as there are threads are one for each; threads share what is left over.
    const Index shared = rows - rows % threads();
    std::vector<Sampler>& samplers = scratch_->samplers;
    while (Index(samplers.size()) < std::min(rows, Index(threads())))
        samplers.emplace_back(kernels_, config_.vocab_size, samplers.empty() ? threads() : 1);
    auto sample = [&](Sampler& sampler, Team& team, Index row) {
        sampler.sample(team, logits + row * config_.vocab_size, draws[std::size_t(row)],
                       chosen[row]);
    };
    pool_.run([&](Team& team) {
        Pool nobody(1);
        Team alone(nobody, 0);
        for (Index row = team.rank; row < shared; row += team.size())
            sample(samplers[std::size_t(team.rank)], alone, row);
        team.barrier();
        for (Index row = shared; row < rows; ++row) sample(samplers[0], team, row);
    });
}

void Plan::choose(const Index* tokens, const std::vector<Sequence>& sequences,
                  const States& states, const std::vector<Index>& rows,
                  const std::vector<Draw>& draws, Chosen* chosen) {
    const Index bytes = config_.hidden_dim * kernels_.element_bytes;
    Index total = sequences.empty() ? 0 : sequences.back().first + sequences.back().length;
    Buffer &hidden = scratch_->hidden, &wide = scratch_->chunk;
    hidden.reserve(std::size_t(total * bytes));
    step(tokens, sequences, states, hidden.get());
    for (std::size_t i = 0; i < rows.size(); ++i)
        std::memmove(hidden.bytes() + Index(i) * bytes, hidden.bytes() + rows[i] * bytes,
                     std::size_t(bytes));
    wide.reserve(std::min(rows.size(), CHUNK_ROWS) * std::size_t(config_.vocab_size) * 4);
    for (std::size_t first = 0; first < rows.size(); first += CHUNK_ROWS) {
        std::size_t last = std::min(first + CHUNK_ROWS, rows.size());
        logits(hidden.bytes() + Index(first) * bytes, Index(last - first), wide.floats());
        sample(wide.floats(), {draws.begin() + long(first), draws.begin() + long(last)},
               chosen + first);
    }
}

// scratch x -> scratch normed, this thread's rows.
void Plan::norm_rows(Team& team, Index rows, const std::vector<float>& weight) {
    Index width = config_.hidden_dim;
    RmsNorm norm{scratch_->x.get(), width, weight.data(), width, config_.norm_eps,
                 scratch_->normed.get(), width};
    kernels_.rms_norm(norm, team.begin(rows), team.end(rows));
    round(norm.y, width, width, team.begin(rows), team.end(rows), scratch_->normed_int8);
}

void Plan::reserve_rounded(Rounded& rounded, Index columns, Index rows) {
    if (config_.format == Format::element || columns == 0) return;
    const Index group = group_of(columns);
    rounded.reserve(rows * divide_up(columns, group), group);
}

void Plan::round(const void* x, Index x_stride, Index columns, Index first, Index last,
                 Rounded& rounded) {
    if (config_.format != Format::element)
        kernels_.quantise(x, x_stride, columns, group_of(columns), first, last, rounded.view());
}

void Plan::product(Team& team, const void* x, Index x_stride, Index rows, const Packed& weight,
                   const Rounded& rounded, void* y, Index y_stride, Store store, float scale) {
    Product product{x, x_stride, rows, &weight.matrix(), y, y_stride, store, scale,
                    rounded.view()};
    Index panels = weight.panels();
    kernels_.product(product, team.begin(panels), team.end(panels));
}

void Plan::activate(Team& team, const void* x, Index inner, bool gated, void* y, Index rows) {
    auto* kernel = gated ? kernels_.swiglu : kernels_.relu2;
    kernel(x, gated ? 2 * inner : inner, inner, y, inner, team.begin(rows), team.end(rows));
}

Plan::Into Plan::residual() const {
    return {scratch_->x.get(), Store::add, config_.residual_multiplier};
}

// Both halves read the normed rows; their sum is weighted, rounded and added to the stream.
void Plan::parallel(Team& team, const Layer& layer, const Step& step) {
    const PlanConfig& c = config_;
    Scratch& s = *scratch_;
    mamba(team, layer.halves[0], step, {s.left.get(), Store::element, 1});
    attention(team, layer.halves[1], step, {s.right.get(), Store::element, 1});
    team.barrier();
    const float weights[] = {c.ssm_out_multiplier, c.attention_out_multiplier};
    const Index bytes = c.hidden_dim * kernels_.element_bytes;
    for (Index row = team.begin(step.rows); row < team.end(step.rows); ++row) {
        const void* parts[] = {s.left.bytes() + row * bytes, s.right.bytes() + row * bytes};
        kernels_.add_experts(parts, weights, 2, nullptr, c.hidden_dim, c.residual_multiplier,
                             s.x.bytes() + row * bytes);
    }
}

// The parts of in_proj's output times their factors, if they have any.
void Plan::scale_projected(Team& team, Index rows) {
    const PlanConfig& c = config_;
    const Index wide = c.groups * c.state_dim;
    const std::pair<Index, float> parts[] = {{c.inner_dim(), c.z_multiplier},
                                             {c.inner_dim(), c.x_multiplier},
                                             {wide, c.B_multiplier},
                                             {wide, c.C_multiplier},
                                             {c.mamba_heads, c.dt_multiplier}};
    char* projected = scratch_->first.bytes();
    bool any = false;
    for (const auto& [columns, factor] : parts) {
        if (factor != 1)
            kernels_.scale(projected, c.in_proj_dim(), columns, factor, team.begin(rows),
                           team.end(rows));
        any |= factor != 1;
        projected += columns * kernels_.element_bytes;
    }
    if (any) team.barrier();
}

void Plan::mamba(Team& team, const Layer& layer, const Step& step, const Into& into) {
    const PlanConfig& c = config_;
    Scratch& s = *scratch_;
    const Index element = kernels_.element_bytes, width = c.in_proj_dim();
    product(team, s.normed.get(), c.hidden_dim, step.rows, layer.matrices[0],
            s.normed_int8, s.first.get(), width);
    team.barrier();
    scale_projected(team, step.rows);

    const char* projected = s.first.bytes();
    Index blocks = divide_up(c.conv_dim(), CHANNEL_BLOCK);
    Index first = team.begin(blocks) * CHANNEL_BLOCK;
    Index last = std::min(team.end(blocks) * CHANNEL_BLOCK, c.conv_dim());
    Index carried = (c.conv_width - 1) * c.conv_dim() * element;
    for (const Sequence& q : step.sequences) {
        char* slots = static_cast<char*>(step.states.conv) +
                      layer.number * step.states.slots * carried;
        char* before = slots + q.slot * carried;
        if (q.source != q.slot && q.start)
            for (Index row = 0; row + 1 < c.conv_width; ++row) {
                Index at = (row * c.conv_dim() + first) * element;
                if (first < last)
                    std::memcpy(before + at, slots + q.source * carried + at,
                                std::size_t((last - first) * element));
            }
        Convolution conv{projected + (q.first * width + c.inner_dim()) * element,
                         width,
                         q.length,
                         c.conv_dim(),
                         c.conv_width,
                         layer.vectors[0].data(),
                         layer.vectors[1].data(),
                         before,
                         q.start == 0,
                         s.conv.floats() + q.first * c.conv_dim(),
                         c.conv_dim()};
        kernels_.convolve(conv, first, last);
    }
    team.barrier();

    // Each thread takes the same heads of all sequences: one may go on from the state of another.
    const Index head = team.begin(c.mamba_heads), stop = team.end(c.mamba_heads);
    Index state = c.mamba_heads * c.mamba_head_dim * c.state_dim;
    for (const Sequence& q : step.sequences) {
        if (head >= stop) break;
        float* slots = step.states.ssm + layer.number * step.states.slots * state;
        if (q.source != q.slot && q.start) {
            const Index part = c.mamba_head_dim * c.state_dim;
            std::memcpy(slots + q.slot * state + head * part, slots + q.source * state + head * part,
                        std::size_t((stop - head) * part) * sizeof(float));
        }
        const float* x = s.conv.floats() + q.first * c.conv_dim();
        const float* B = x + c.inner_dim();
        Scan scan{x,
                  B,
                  B + c.groups * c.state_dim,
                  c.conv_dim(),
                  projected + (q.first * width + c.inner_dim() + c.conv_dim()) * element,
                  width,
                  q.length,
                  c.mamba_heads,
                  c.mamba_head_dim,
                  c.groups,
                  c.state_dim,
                  layer.vectors[2].data(),
                  layer.vectors[3].data(),
                  layer.vectors[4].data(),
                  c.dt_low,
                  c.dt_high,
                  slots + q.slot * state,
                  q.start == 0,
                  s.scanned.floats() + q.first * c.inner_dim(),
                  c.inner_dim()};
        kernels_.scan(scan, head, stop);
    }
    team.barrier();

    GatedNorm norm{s.scanned.floats(), c.inner_dim(), projected, width,
                   layer.vectors[5].data(), c.inner_dim(), c.groups, c.norm_eps,
                   s.second.get(), c.inner_dim(),
                   !c.gate_norm ? Gate::gate_alone : c.norm_first ? Gate::norm_first
                                                                  : Gate::gate_first};
    kernels_.gated_norm(norm, team.begin(step.rows), team.end(step.rows));
    round(s.second.get(), c.inner_dim(), c.inner_dim(), team.begin(step.rows),
          team.end(step.rows), s.second_int8);
    team.barrier();
    product(team, s.second.get(), c.inner_dim(), step.rows, layer.matrices[1], s.second_int8,
            into.y, c.hidden_dim, into.store, into.scale);
}

// scratch conv (T, C) -> selected: what dt is made of, normed; scanned: B and C; steps: dt. All rows.
void Plan::select(Team& team, const Layer& layer, Index rows) {
    const PlanConfig& c = config_;
    Scratch& s = *scratch_;
    const Index element = kernels_.element_bytes, channels = c.mamba1_dim, width = c.select_dim();
    const Index begin = team.begin(rows), end = team.end(rows);
    for (Index row = begin; row < end; ++row)
        kernels_.embed(s.conv.floats() + row * channels, channels, 1,
                       s.second.bytes() + row * channels * element);
    round(s.second.get(), channels, channels, begin, end, s.second_int8);
    team.barrier();
    product(team, s.second.get(), channels, rows, layer.matrices[1], s.second_int8,
            s.selected.get(), width);
    team.barrier();
    const Index wide = 2 * c.mamba1_state_dim, sizes[] = {c.dt_rank, wide / 2, wide / 2};
    char* part = s.selected.bytes();
    for (std::size_t i = 0; i < 3 && c.mamba1_norms; part += sizes[i++] * element)
        kernels_.rms_norm({part, width, layer.vectors[5 + i].data(), sizes[i], c.norm_eps, part,
                           width},
                          begin, end);
    for (Index row = begin; row < end; ++row)
        kernels_.widen(s.selected.bytes() + (row * width + c.dt_rank) * element, wide,
                       s.scanned.floats() + row * wide);
    round(s.selected.get(), width, c.dt_rank, begin, end, s.rank_int8);
    team.barrier();
    product(team, s.selected.get(), width, rows, layer.matrices[2], s.rank_int8, s.steps.get(),
            channels);
}

void Plan::mamba1(Team& team, const Layer& layer, const Step& step) {
    const PlanConfig& c = config_;
    Scratch& s = *scratch_;
    const Index element = kernels_.element_bytes, channels = c.mamba1_dim, width = 2 * channels;
    product(team, s.normed.get(), c.hidden_dim, step.rows, layer.matrices[0], s.normed_int8,
            s.first.get(), width);
    team.barrier();

    const char* projected = s.first.bytes();  // [x | z]
    const Index blocks = divide_up(channels, CHANNEL_BLOCK), taps = c.mamba1_conv_width - 1;
    const Index first = team.begin(blocks) * CHANNEL_BLOCK;
    const Index last = std::min(team.end(blocks) * CHANNEL_BLOCK, channels);
    for (const Sequence& q : step.sequences) {
        const Index carried = taps * channels * element;
        char* slots = static_cast<char*>(step.states.mamba1_conv) +
                      layer.number * step.states.slots * carried;
        char* before = slots + q.slot * carried;
        if (q.source != q.slot && q.start)
            for (Index row = 0; row < taps && first < last; ++row) {
                Index at = (row * channels + first) * element;
                std::memcpy(before + at, slots + q.source * carried + at,
                            std::size_t((last - first) * element));
            }
        Convolution conv{projected + q.first * width * element,
                         width,
                         q.length,
                         channels,
                         taps + 1,
                         layer.vectors[0].data(),
                         layer.vectors[1].data(),
                         before,
                         q.start == 0,
                         s.conv.floats() + q.first * channels,
                         channels};
        kernels_.convolve(conv, first, last);
    }
    team.barrier();
    select(team, layer, step.rows);
    team.barrier();

    // Each thread keeps its channels: a sequence may go on from the state of an earlier one.
    const Index state_dim = c.mamba1_state_dim;
    for (const Sequence& q : step.sequences) {
        if (first >= last) break;
        float* slots = step.states.mamba1_ssm +
                       layer.number * step.states.slots * channels * state_dim;
        float* state = slots + q.slot * channels * state_dim;
        if (q.source != q.slot && q.start)
            std::memcpy(state + first * state_dim,
                        slots + (q.source * channels + first) * state_dim,
                        std::size_t((last - first) * state_dim) * sizeof(float));
        const float* B = s.scanned.floats() + q.first * 2 * state_dim;
        SelectiveScan scan{s.conv.floats() + q.first * channels,
                           channels,
                           B,
                           B + state_dim,
                           2 * state_dim,
                           s.steps.bytes() + q.first * channels * element,
                           channels,
                           projected + (q.first * width + channels) * element,
                           width,
                           q.length,
                           channels,
                           state_dim,
                           layer.vectors[2].data(),
                           layer.vectors[3].data(),
                           layer.vectors[4].data(),
                           state,
                           q.start == 0,
                           s.second.bytes() + q.first * channels * element,
                           channels};
        kernels_.selective_scan(scan, first, last);
    }
    team.barrier();
    round(s.second.get(), channels, channels, team.begin(step.rows), team.end(step.rows),
          s.second_int8);
    if (c.format != Format::element) team.barrier();
    product(team, s.second.get(), channels, step.rows, layer.matrices[3], s.second_int8, s.x.get(),
            c.hidden_dim, Store::add, c.residual_multiplier);
}

void Plan::attention(Team& team, const Layer& layer, const Step& step, const Into& into) {
    const PlanConfig& c = config_;
    const States& states = step.states;
    Scratch& s = *scratch_;
    const Index element = kernels_.element_bytes, d = c.head_dim;
    const Index queries = c.heads * d, keys = c.key_heads * d, width = queries + 2 * keys;
    char* projected = s.first.bytes();
    const Index offsets[] = {0, queries, queries + keys};
    const float factors[] = {c.q_multiplier, c.k_multiplier, c.v_multiplier};
    for (std::size_t i = 0; i < 3; ++i)
        product(team, s.normed.get(), c.hidden_dim, step.rows, layer.matrices[i], s.normed_int8,
                projected + offsets[i] * element, width);
    team.barrier();

    // Keys or values of one position.
    auto keep = [&](const char* from, void* to, float* scales, Index place) {
        if (scales)
            kernels_.round_heads(from, c.key_heads, d,
                                 {static_cast<std::int8_t*>(to) + place * keys,
                                  scales + place * c.key_heads});
        else
            std::memcpy(static_cast<char*>(to) + place * keys * element, from,
                        std::size_t(keys * element));
    };
    // Rotate, normalise, and put keys and values on their pages.
    const Pages pool = pages_of(states, layer.number, c.key_heads, d, element);
    const Quantised rounded = s.queries_int8.view();
    for (const Sequence& q : step.sequences) {
        char* rows = projected + q.first * width * element;
        Index begin = team.begin(q.length), end = team.end(q.length);
        for (std::size_t part = 0; part < 3; ++part)
            if (factors[part] != 1)
                kernels_.scale(rows + offsets[part] * element, width, part ? keys : queries,
                               factors[part], begin, end);
        for (Index part = 0; part < 2; ++part) {
            Index heads = part ? c.key_heads : c.heads;
            char* x = rows + offsets[part] * element;
            auto normalise = [&] {
                for (Index row = begin; row < end; ++row) {
                    char* head = x + row * width * element;
                    kernels_.rms_norm({head, d, layer.vectors[std::size_t(part)].data(), d,
                                       c.norm_eps, head, d},
                                      0, heads);
                }
            };
            if (c.qk_norm && c.qk_norm_first) normalise();
            if (c.rope_base > 0)
                kernels_.rotate({x, width, q.length, heads, d, q.start, inverse_.data(),
                                 c.rotary_dim},
                                begin, end);
            if (c.qk_norm && !c.qk_norm_first) normalise();
        }
        for (Index row = begin; row < end; ++row) {
            Index position = q.start + row;
            Index place = q.pages[position / pool.page_size] * pool.page_size +
                          position % pool.page_size;
            const char* from = rows + (row * width + queries) * element;
            keep(from, pool.keys, pool.key_scales, place);
            keep(from + keys * element, pool.values, pool.value_scales, place);
            if (!pool.key_scales) continue;
            Index head = (q.first + row) * c.heads;
            kernels_.round_heads(rows + row * width * element, c.heads, d,
                                 {rounded.values + head * d, rounded.scales + head,
                                  rounded.totals + head});
        }
    }
    team.barrier();

    // Sequence by sequence, as many rows at once as keep their parts in bounds.
    const Index group = c.heads / c.key_heads, part = group * (d + 2);
    for (const Sequence& q : step.sequences) {
        Pages cache = pool;
        cache.pages = q.pages;
        Attention attention{projected + q.first * width * element,
                            width,
                            q.length,
                            c.heads,
                            c.key_heads,
                            d,
                            q.start,
                            cache,
                            c.softmax_scale,
                            s.second.bytes() + q.first * queries * element,
                            queries,
                            {rounded.values + q.first * queries,
                             rounded.scales + q.first * c.heads,
                             rounded.totals + q.first * c.heads}};
        const auto [spans, tile_floats, tiles, at_once] = rounds(c, q);
        for (Index first = 0; first < tiles; first += at_once) {
            Index count = std::min(at_once, tiles - first) * c.key_heads;
            auto span_of = [&](Index item, Index span) {
                Index row = (first + item / c.key_heads) * QUERY_TILE;
                return Span{item % c.key_heads, row, std::min(row + QUERY_TILE, q.length), span};
            };
            // Dealt out in turn: later spans and earlier rows have less to do.
            for (Index i = team.rank; i < count * spans; i += team.size()) {
                Span span = span_of(i / spans, i % spans);
                float* to = s.partial.floats() + i / spans * tile_floats +
                            i % spans * (span.last - span.first) * part;
                kernels_.attend(attention, span, to);
            }
            team.barrier();
            for (Index item = team.rank; item < count; item += team.size())
                kernels_.combine(attention, span_of(item, 0),
                                 s.partial.floats() + item * tile_floats, spans);
            team.barrier();
        }
    }
    round(s.second.get(), queries, queries, team.begin(step.rows), team.end(step.rows),
          s.second_int8);
    if (c.format != Format::element) team.barrier();
    product(team, s.second.get(), queries, step.rows, layer.matrices[3], s.second_int8, into.y,
            c.hidden_dim, into.store, into.scale);
}

void Plan::mlp(Team& team, const Layer& layer, const Step& step) {
    const PlanConfig& c = config_;
    Scratch& s = *scratch_;
    Index up = (c.mlp_gated ? 2 : 1) * c.mlp_dim;
    product(team, s.normed.get(), c.hidden_dim, step.rows, layer.matrices[0], s.normed_int8,
            s.first.get(), up);
    team.barrier();
    if (c.gate_multiplier != 1)
        kernels_.scale(s.first.get(), up, c.mlp_dim, c.gate_multiplier, team.begin(step.rows),
                       team.end(step.rows));
    activate(team, s.first.get(), c.mlp_dim, c.mlp_gated, s.second.get(), step.rows);
    round(s.second.get(), c.mlp_dim, c.mlp_dim, team.begin(step.rows), team.end(step.rows),
          s.second_int8);
    team.barrier();
    product(team, s.second.get(), c.mlp_dim, step.rows, layer.matrices[1], s.second_int8,
            s.x.get(), c.hidden_dim, Store::add, c.residual_multiplier * c.down_multiplier);
}

// Sorts (token, choice) pairs by expert: begins, row_of each pair, token_of each row.
void Plan::group(const Step& step) {
    Scratch& s = *scratch_;
    Index pairs = step.rows * config_.top_k;
    std::fill(s.begins.begin(), s.begins.end(), 0);
    for (Index i = 0; i < pairs; ++i) ++s.begins[std::size_t(s.choices[std::size_t(i)]) + 1];
    for (std::size_t e = 1; e < s.begins.size(); ++e) s.begins[e] += s.begins[e - 1];
    std::vector<Index>& next = s.items;
    next.assign(s.begins.begin(), s.begins.end());
    for (Index i = 0; i < pairs; ++i) {
        Index row = next[std::size_t(s.choices[std::size_t(i)])]++;
        s.row_of[std::size_t(i)] = row;
        s.token_of[std::size_t(row)] = i / config_.top_k;
    }
}

void Plan::experts(Team& team, const Layer& layer, const Step& step) {
    const PlanConfig& c = config_;
    Scratch& s = *scratch_;
    const Index element = kernels_.element_bytes, width = c.hidden_dim, k = c.top_k;
    const Index up = (c.expert_gated ? 2 : 1) * c.expert_dim;
    const Index begin = team.begin(step.rows), end = team.end(step.rows);
    kernels_.widen(s.normed.bytes() + begin * width * element, (end - begin) * width,
                   s.wide.floats() + begin * width);
    kernels_.wide_product(s.wide.floats(), step.rows, width, layer.vectors[0].data(), c.experts,
                          s.logits.data(), begin, end);
    for (Index row = begin; row < end; ++row) {
        const float* logits = s.logits.data() + row * c.experts;
        std::int32_t* choices = s.choices.data() + row * k;
        float* weights = s.weights.data() + row * k;
        if (c.sigmoid_router)
            kernels_.route_sigmoid(logits, layer.vectors[1].data(), c.experts, k, c.routed_scale,
                                   s.scores.data() + row * c.experts, choices, weights);
        else
            kernels_.route_softmax(logits, c.experts, k, c.weigh_all, choices, weights);
    }
    const bool shared = c.shared_dim != 0;
    const Index shared_up = (c.expert_gated ? 2 : 1) * c.shared_dim;
    if (shared)
        product(team, s.normed.get(), width, step.rows, layer.matrices[0], s.normed_int8,
                s.shared_up.get(), shared_up);
    // What routed experts read: the model's own dims, or latent ones.
    const Index inner = c.expert_width();
    const char* entered = c.latent_dim ? s.latent.bytes() : s.normed.bytes();
    if (c.latent_dim)
        product(team, s.normed.get(), width, step.rows, layer.matrices[2], s.normed_int8,
                s.latent.get(), inner);
    team.barrier();
    if (team.rank == 0) group(step);
    if (shared) {
        activate(team, s.shared_up.get(), c.shared_dim, c.expert_gated, s.shared_in.get(),
                 step.rows);
        round(s.shared_in.get(), c.shared_dim, c.shared_dim, begin, end, s.shared_int8);
    }
    team.barrier();

    const Index pairs = step.rows * k;
    for (Index row = team.begin(pairs); row < team.end(pairs); ++row)
        std::memcpy(s.gathered.bytes() + row * inner * element,
                    entered + s.token_of[std::size_t(row)] * inner * element,
                    std::size_t(inner * element));
    round(s.gathered.get(), inner, inner, team.begin(pairs), team.end(pairs), s.gathered_int8);
    if (shared)
        product(team, s.shared_in.get(), c.shared_dim, step.rows, layer.matrices[1],
                s.shared_int8, s.shared_out.get(), width);
    team.barrier();

    // Panels of all visited experts in one row, shared out evenly.
    auto visit = [&](const std::vector<Packed>& weights, const char* x, Index x_width,
                     const Rounded& rounded, char* y, Index y_width) {
        Index visited = 0;
        for (Index e = 0; e < c.experts; ++e)
            visited += s.begins[std::size_t(e) + 1] > s.begins[std::size_t(e)];
        Index panels = weights[0].panels(), first = team.begin(visited * panels);
        Index last = team.end(visited * panels), offset = 0;
        for (Index e = 0; e < c.experts && offset < last; ++e) {
            Index row = s.begins[std::size_t(e)], count = s.begins[std::size_t(e) + 1] - row;
            if (!count) continue;
            Product product{x + row * x_width * element, x_width, count,
                            &weights[std::size_t(e)].matrix(), y + row * y_width * element,
                            y_width};
            if (c.format != Format::element) {
                const Index group = group_of(x_width), groups = divide_up(x_width, group);
                Quantised all = rounded.view();
                product.quantised = {all.values + row * groups * group,
                                     all.scales + row * groups, all.totals + row * groups};
            }
            Index from = std::max(first - offset, Index(0)), to = std::min(last - offset, panels);
            if (from < to) kernels_.product(product, from, to);
            offset += panels;
        }
    };
    visit(layer.up, s.gathered.bytes(), inner, s.gathered_int8, s.third.bytes(), up);
    team.barrier();
    activate(team, s.third.get(), c.expert_dim, c.expert_gated, s.shared_up.get(), pairs);
    round(s.shared_up.get(), c.expert_dim, c.expert_dim, team.begin(pairs), team.end(pairs),
          s.activated_int8);
    team.barrier();
    visit(layer.down, s.shared_up.bytes(), c.expert_dim, s.activated_int8, s.partial.bytes(),
          inner);
    team.barrier();
    auto own = [&](Index row) -> const void* {
        return shared ? s.shared_out.bytes() + row * width * element : nullptr;
    };
    std::vector<const void*> parts(static_cast<std::size_t>(k));
    for (Index row = begin; row < end; ++row) {
        for (Index i = 0; i < k; ++i)
            parts[std::size_t(i)] = s.partial.bytes() +
                                    s.row_of[std::size_t(row * k + i)] * inner * element;
        const float* weights = s.weights.data() + row * k;
        if (!c.latent_dim) {
            kernels_.add_experts(parts.data(), weights, k, own(row), width, c.residual_multiplier,
                                 s.x.bytes() + row * width * element);
            continue;
        }
        char* sum = s.latent.bytes() + row * inner * element;
        std::memset(sum, 0, std::size_t(inner * element));
        kernels_.add_experts(parts.data(), weights, k, nullptr, inner, 1, sum);
    }
    if (!c.latent_dim) return;
    round(s.latent.get(), inner, inner, begin, end, s.latent_int8);
    team.barrier();
    product(team, s.latent.get(), inner, step.rows, layer.matrices[3], s.latent_int8,
            s.first.get(), width);
    team.barrier();
    const float one = 1;
    for (Index row = begin; row < end; ++row) {
        const void* left = s.first.bytes() + row * width * element;
        kernels_.add_experts(&left, &one, 1, own(row), width, c.residual_multiplier,
                             s.x.bytes() + row * width * element);
    }
}

}  // namespace naga
