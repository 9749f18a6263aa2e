// A tiny random model of every kind of layer, its logits in double by the loops of loops.hpp, and
// those of a plan that serves several texts.
//
// Sizes fit no vector. `plain`: gated, a softmax router, tied, no factors; otherwise the other
// choices of each.
#pragma once

#include <map>
#include <string>

#include "loops.hpp"

struct Model {
    PlanConfig config;
    std::map<std::string, Array> tensors;

    Model(Element element, bool plain);
    Values get(const std::string& name) const { return tensors.at(name).values(); }
    // (T, vocabulary) of one sequence
    Values logits(const std::vector<Index>& tokens) const;

  private:
    void add(const std::string& name, Element type, std::vector<Index> shape, double middle = 0);
    void add_layer(char kind, const std::string& prefix, Element element);
    void add_mixer(char kind, const std::string& mixer, Element element);
    Values mix(char kind, const std::string& mixer, const Values& x) const;
    Values mamba(const std::string& prefix, const Values& x) const;
    Values mamba1(const std::string& prefix, const Values& x) const;
    Values attention(const std::string& prefix, const Values& x) const;
    Values mlp(const Values& x, const Values& up, const Values& down, Index inner, bool gated,
               Index width = 0) const;
    Values experts(const std::string& prefix, const Values& x) const;
};

inline Model::Model(Element element, bool plain) {
    PlanConfig& c = config;
    c.layers = "ME*E-SH";
    c.vocab_size = 37;
    c.hidden_dim = 21;
    c.tied = plain;
    c.residual_multiplier = 0.5f;
    c.logits_divisor = 2;
    c.mamba_heads = 6;
    c.mamba_head_dim = 5;
    c.state_dim = 7;
    c.groups = 2;
    c.conv_width = plain ? 4 : 3;
    c.dt_low = plain ? 0 : 0.01f;
    c.dt_high = plain ? INFINITY : 0.3f;
    c.mamba1_dim = 19;
    c.mamba1_state_dim = 9;
    c.mamba1_conv_width = plain ? 3 : 4;
    c.dt_rank = 5;
    c.mamba1_norms = !plain;
    c.heads = 6;
    c.key_heads = 2;
    c.head_dim = plain ? 7 : 10;
    c.softmax_scale = 0.3f;
    c.rope_base = plain ? 0 : 100;
    c.rotary_dim = plain ? 0 : 6;
    if (!plain) c.rope_scales = {1, 0.5f, 0.25f};
    c.qk_norm = !plain;
    c.qk_norm_first = once_in(2);
    c.mlp_dim = 13;
    c.mlp_gated = c.expert_gated = plain;
    c.experts = 5;
    // Where bfloat16 could tip the scales, there is but one choice.
    c.top_k = !plain ? 4 : element == WIDE ? 2 : 5;
    c.expert_dim = 9;
    c.shared_dim = plain ? 0 : 11;
    c.sigmoid_router = !plain;
    c.routed_scale = plain ? 1 : 2.5f;
    c.weigh_all = plain && once_in(2);
    c.latent_dim = once_in(2) ? 15 : 0;
    c.norm_first = !plain;
    if (!plain) {
        c.logits_multiplier = 1.4f;
        c.z_multiplier = 0.7f, c.x_multiplier = 1.2f, c.B_multiplier = 0.8f;
        c.C_multiplier = 0.9f, c.dt_multiplier = 1.3f;
        c.q_multiplier = c.v_multiplier = 0.8f, c.k_multiplier = 1.1f;
        c.ssm_out_multiplier = 0.6f, c.attention_out_multiplier = 1.2f;
        c.down_multiplier = 0.7f;
    } else {
        c.gate_multiplier = 0.9f;
    }
    add("embed.weight", element, {c.vocab_size, c.hidden_dim});
    if (!c.tied) add("head.weight", element, {c.vocab_size, c.hidden_dim});
    add("norm.weight", WIDE, {c.hidden_dim}, 1);
    for (std::size_t i = 0; i < c.layers.size(); ++i)
        add_layer(c.layers[i], "layers." + std::to_string(i) + ".", element);
}

// Values about `middle`, of a size that keeps products near 1.
inline void Model::add(const std::string& name, Element type, std::vector<Index> shape,
                       double middle) {
    Index columns = shape.back(), rows = 1;
    for (Index n : shape) rows *= n;
    Array& array = tensors.try_emplace(name, type, rows / columns, columns).first->second;
    array.fill(middle ? 0.2 : 1.5 / std::sqrt(double(columns)), middle);
}

inline void Model::add_layer(char kind, const std::string& prefix, Element element) {
    add(prefix + "norm.weight", WIDE, {config.hidden_dim}, 1);
    add_mixer(kind, prefix + "mixer.", element);
}

inline void Model::add_mixer(char kind, const std::string& mixer, Element element) {
    const PlanConfig& c = config;
    const Index D = c.hidden_dim, gate = c.expert_gated ? 2 : 1;
    if (kind == 'H') {
        add_mixer('M', mixer + "mamba.", element);
        add_mixer('*', mixer + "attention.", element);
    } else if (kind == 'M') {
        add(mixer + "in_proj.weight", element, {c.in_proj_dim(), D});
        add(mixer + "out_proj.weight", element, {D, c.inner_dim()});
        add(mixer + "conv.weight", WIDE, {c.conv_dim(), c.conv_width});
        add(mixer + "norm.weight", WIDE, {c.inner_dim()}, 1);
        add(mixer + "conv.bias", WIDE, {c.conv_dim()});
        for (const char* name : {"dt_bias", "A_log", "D"}) add(mixer + name, WIDE, {c.mamba_heads});
    } else if (kind == 'S') {
        const Index C = c.mamba1_dim;
        add(mixer + "in_proj.weight", element, {2 * C, D});
        add(mixer + "x_proj.weight", element, {c.select_dim(), C});
        add(mixer + "dt_proj.weight", element, {C, c.dt_rank});
        add(mixer + "out_proj.weight", element, {D, C});
        add(mixer + "conv.weight", WIDE, {C, c.mamba1_conv_width});
        add(mixer + "A_log", WIDE, {C, c.mamba1_state_dim});
        for (const char* name : {"conv.bias", "dt_bias", "D"}) add(mixer + name, WIDE, {C});
        if (!c.mamba1_norms) return;
        add(mixer + "dt_norm.weight", WIDE, {c.dt_rank}, 1);
        for (const char* name : {"B_norm.weight", "C_norm.weight"})
            add(mixer + name, WIDE, {c.mamba1_state_dim}, 1);
    } else if (kind == '*') {
        add(mixer + "q_proj.weight", element, {c.heads * c.head_dim, D});
        add(mixer + "k_proj.weight", element, {c.key_heads * c.head_dim, D});
        add(mixer + "v_proj.weight", element, {c.key_heads * c.head_dim, D});
        add(mixer + "o_proj.weight", element, {D, c.heads * c.head_dim});
        if (!c.qk_norm) return;
        for (const char* name : {"q_norm.weight", "k_norm.weight"})
            add(mixer + name, WIDE, {c.head_dim}, 1);
    } else if (kind == '-') {
        add(mixer + "up.weight", element, {(c.mlp_gated ? 2 : 1) * c.mlp_dim, D});
        add(mixer + "down.weight", element, {D, c.mlp_dim});
    } else {
        add(mixer + "router.weight", WIDE, {c.experts, D});
        const Index inner = c.expert_width();
        add(mixer + "experts.up", element, {c.experts, gate * c.expert_dim, inner});
        add(mixer + "experts.down", element, {c.experts, inner, c.expert_dim});
        if (c.latent_dim) {
            add(mixer + "enter_proj.weight", element, {inner, D});
            add(mixer + "leave_proj.weight", element, {D, inner});
        }
        if (c.sigmoid_router) {
            // Nobody visits the last expert.
            add(mixer + "router.bias", WIDE, {c.experts});
            tensors.at(mixer + "router.bias").set(0, c.experts - 1, -100);
        }
        if (!c.shared_dim) return;
        add(mixer + "shared.up.weight", element, {gate * c.shared_dim, D});
        add(mixer + "shared.down.weight", element, {D, c.shared_dim});
    }
}

inline Values Model::logits(const std::vector<Index>& tokens) const {
    const Index D = config.hidden_dim;
    Values embed = get("embed.weight"), x;
    for (Index token : tokens) x.insert(x.end(), &embed[token * D], &embed[token * D] + D);
    for (std::size_t i = 0; i < config.layers.size(); ++i) {
        char kind = config.layers[i];
        std::string prefix = "layers." + std::to_string(i) + ".", mixer = prefix + "mixer.";
        Values in = normalise(x, get(prefix + "norm.weight"), D, config.norm_eps);
        Values out = mix(kind, mixer, in);
        for (std::size_t j = 0; j < x.size(); ++j) x[j] += config.residual_multiplier * out[j];
    }
    Values hidden = normalise(x, get("norm.weight"), D, config.norm_eps);
    Values y = multiply(hidden, config.tied ? embed : get("head.weight"), D);
    for (double& value : y) value *= config.logits_multiplier / config.logits_divisor;
    return y;
}

inline Values Model::mix(char kind, const std::string& mixer, const Values& x) const {
    const PlanConfig& c = config;
    if (kind == 'M') return mamba(mixer, x);
    if (kind == 'S') return mamba1(mixer, x);
    if (kind == '*') return attention(mixer, x);
    if (kind == 'E') return experts(mixer, x);
    if (kind == 'H') {
        Values left = mamba(mixer + "mamba.", x), right = attention(mixer + "attention.", x);
        for (std::size_t i = 0; i < left.size(); ++i)
            left[i] = c.ssm_out_multiplier * left[i] + c.attention_out_multiplier * right[i];
        return left;
    }
    // The gate's factor goes on its rows, that of the output on all.
    Values up = get(mixer + "up.weight"), down = get(mixer + "down.weight");
    for (Index i = 0; i < c.mlp_dim * c.hidden_dim; ++i) up[std::size_t(i)] *= c.gate_multiplier;
    for (double& weight : down) weight *= c.down_multiplier;
    return mlp(x, up, down, c.mlp_dim, c.mlp_gated);
}

inline Values Model::mamba(const std::string& prefix, const Values& x) const {
    const PlanConfig& c = config;
    const Index inner = c.inner_dim(), C = c.conv_dim(), W = c.conv_width, width = c.in_proj_dim();
    Values projected = multiply(x, get(prefix + "in_proj.weight"), c.hidden_dim);
    const Index wide = c.groups * c.state_dim;
    const Index ends[] = {inner, 2 * inner, 2 * inner + wide, 2 * inner + 2 * wide, width};
    const float factors[] = {c.z_multiplier, c.x_multiplier, c.B_multiplier, c.C_multiplier,
                             c.dt_multiplier};
    for (std::size_t i = 0; i < projected.size(); ++i)
        projected[i] *= factors[std::upper_bound(ends, ends + 5, Index(i) % width) - ends];
    Values z = columns(projected, width, 0, inner), in((W - 1) * C, 0.0);
    Values xBC = columns(projected, width, inner, inner + C), taps, A = get(prefix + "A_log");
    Values dt = columns(projected, width, inner + C, width), bias = get(prefix + "dt_bias");
    in.insert(in.end(), xBC.begin(), xBC.end());
    for (Index w = 0; w < W; ++w)
        for (double tap : columns(get(prefix + "conv.weight"), W, w, w + 1)) taps.push_back(tap);
    for (std::size_t i = 0; i < dt.size(); ++i)
        dt[i] = clamp(softplus(dt[i] + bias[i % bias.size()]), c.dt_low, c.dt_high);
    for (double& a : A) a = -std::exp(a);
    Values state(inner * c.state_dim, 0.0);
    Values convolved = convolve(in, taps, get(prefix + "conv.bias"));
    Values y = scan(c, convolved, dt, A, get(prefix + "D"), state);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] *= c.norm_first ? 1 : silu(z[i]);
    y = normalise(y, get(prefix + "norm.weight"), inner / c.groups, c.norm_eps);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] *= c.norm_first ? silu(z[i]) : 1;
    return multiply(y, get(prefix + "out_proj.weight"), inner);
}

inline Values Model::mamba1(const std::string& prefix, const Values& x) const {
    const PlanConfig& c = config;
    const Index C = c.mamba1_dim, W = c.mamba1_conv_width, S = c.mamba1_state_dim, R = c.dt_rank;
    Values projected = multiply(x, get(prefix + "in_proj.weight"), c.hidden_dim);
    Values own = columns(projected, 2 * C, 0, C), in((W - 1) * C, 0.0), taps;
    in.insert(in.end(), own.begin(), own.end());
    for (Index w = 0; w < W; ++w)
        for (double tap : columns(get(prefix + "conv.weight"), W, w, w + 1)) taps.push_back(tap);
    Values convolved = convolve(in, taps, get(prefix + "conv.bias"));
    Values selected = multiply(convolved, get(prefix + "x_proj.weight"), C);
    const Index width = c.select_dim();
    Values dt = columns(selected, width, 0, R), B = columns(selected, width, R, R + S);
    Values read = columns(selected, width, R + S, width), A = get(prefix + "A_log");
    if (c.mamba1_norms) {
        dt = normalise(dt, get(prefix + "dt_norm.weight"), R, c.norm_eps);
        B = normalise(B, get(prefix + "B_norm.weight"), S, c.norm_eps);
        read = normalise(read, get(prefix + "C_norm.weight"), S, c.norm_eps);
    }
    dt = multiply(dt, get(prefix + "dt_proj.weight"), R);
    Values bias = get(prefix + "dt_bias"), state(C * S, 0.0);
    for (std::size_t i = 0; i < dt.size(); ++i) dt[i] = softplus(dt[i] + bias[Index(i) % C]);
    for (double& a : A) a = -std::exp(a);
    Values y = selective_scan(convolved, dt, A, B, read, get(prefix + "D"),
                              columns(projected, 2 * C, C, 2 * C), state);
    return multiply(y, get(prefix + "out_proj.weight"), C);
}

inline Values Model::attention(const std::string& prefix, const Values& x) const {
    const PlanConfig& c = config;
    const Index d = c.head_dim;
    Values q = multiply(x, get(prefix + "q_proj.weight"), c.hidden_dim);
    Values k = multiply(x, get(prefix + "k_proj.weight"), c.hidden_dim);
    Values v = multiply(x, get(prefix + "v_proj.weight"), c.hidden_dim);
    for (double& value : q) value *= c.q_multiplier;
    for (double& value : k) value *= c.k_multiplier;
    for (double& value : v) value *= c.v_multiplier;
    std::vector<float> inverse;
    const Index r = c.rotary_dim;
    for (Index i = 0; i < r; i += 2)
        inverse.push_back(std::pow(c.rope_base, -float(i) / r) * c.rope_scales[i / 2]);
    for (bool first : {true, false}) {
        if (c.qk_norm && c.qk_norm_first == first) {
            q = normalise(q, get(prefix + "q_norm.weight"), d, c.norm_eps);
            k = normalise(k, get(prefix + "k_norm.weight"), d, c.norm_eps);
        }
        if (c.rope_base > 0 && first) rotate(q, c.heads, d, r, 0, inverse.data());
        if (c.rope_base > 0 && first) rotate(k, c.key_heads, d, r, 0, inverse.data());
    }
    return multiply(attend(c, q, k, v, 0), get(prefix + "o_proj.weight"), c.heads * d);
}

inline Values Model::mlp(const Values& x, const Values& up, const Values& down, Index inner,
                         bool gated, Index width) const {
    if (!width) width = config.hidden_dim;
    return multiply(activate(multiply(x, up, width), inner, gated), down, inner);
}

inline Values Model::experts(const std::string& prefix, const Values& x) const {
    const PlanConfig& c = config;
    const Index D = c.hidden_dim, T = x.size() / D, I = c.expert_dim, L = c.expert_width();
    Values logits = multiply(x, get(prefix + "router.weight"), D), bias(c.experts, 0.0);
    Values up = get(prefix + "experts.up"), down = get(prefix + "experts.down"), y(x.size(), 0.0);
    if (c.sigmoid_router) bias = get(prefix + "router.bias");
    if (c.shared_dim)
        y = mlp(x, get(prefix + "shared.up.weight"), get(prefix + "shared.down.weight"),
                c.shared_dim, c.expert_gated);
    auto part = [](const Values& all, Index i, Index size) {
        return Values(&all[i * size], &all[i * size] + size);
    };
    for (Index t = 0; t < T; ++t) {
        Values scores = part(logits, t, c.experts), row = part(x, t, D);
        for (double& s : scores) s = c.sigmoid_router ? 1 / (1 + std::exp(-s)) : std::exp(s);
        std::vector<Index> chosen;
        double total = 0, every = std::accumulate(scores.begin(), scores.end(), 0.0);
        while (Index(chosen.size()) < c.top_k) {
            Index best = -1;
            for (Index e = 0; e < c.experts; ++e)
                if (std::find(chosen.begin(), chosen.end(), e) == chosen.end() &&
                    (best < 0 || scores[e] + bias[e] > scores[best] + bias[best]))
                    best = e;
            chosen.push_back(best);
            total += scores[best];
        }
        if (c.weigh_all) total = every;
        if (c.latent_dim) row = multiply(row, get(prefix + "enter_proj.weight"), D);
        Values sum(L, 0.0);
        for (Index e : chosen) {
            Values out = mlp(row, part(up, e, Index(up.size()) / c.experts), part(down, e, L * I),
                             I, c.expert_gated, L);
            for (Index j = 0; j < L; ++j) sum[j] += c.routed_scale * scores[e] / total * out[j];
        }
        if (c.latent_dim) sum = multiply(sum, get(prefix + "leave_proj.weight"), L);
        for (Index j = 0; j < D; ++j) y[t * D + j] += sum[j];
    }
    return y;
}

using Texts = std::vector<std::vector<Index>>;

// Logits of each text: one text after the other, whole, or cut at random and in turns.
inline std::vector<Values> serve(naga::Plan& plan, const Texts& texts, bool cut) {
    const PlanConfig& c = plan.config();
    const Element element = plan.kernels().element;
    const Index slots = texts.size() + 1, page_size = 5, most = 12, pages = texts.size() * most;
    // Two layers each of kinds M and *, one of them H, and one S. Never cleared: NaN wherever
    // nothing was written. Slot i + slots is the other one of text i.
    Array ssm(WIDE, 4 * slots * c.inner_dim(), c.state_dim);
    Array conv(element, 4 * slots * (c.conv_width - 1), c.conv_dim());
    Array mamba1_ssm(WIDE, 2 * slots * c.mamba1_dim, c.mamba1_state_dim);
    Array mamba1_conv(element, 2 * slots * (c.mamba1_conv_width - 1), c.mamba1_dim);
    std::vector<Index> slot_of(slots);
    std::iota(slot_of.begin(), slot_of.end(), 0);
    Array keys(element, 2 * pages * page_size, c.key_heads * c.head_dim);
    Array values(element, keys.rows, keys.columns);
    naga::States states{ssm.floats(), conv.at(), keys.at(), values.at(), nullptr, nullptr,
                        2 * slots,    pages,     page_size, mamba1_ssm.floats(),
                        mamba1_conv.at()};
    std::vector<Index> order(pages), done(texts.size());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), source);
    std::vector<Values> found(texts.size());
    auto left = [&](Index i) { return Index(texts[i].size()) - done[i]; };
    for (Index first = 0; first + 1 < slots; first += left(first) == 0) {
        std::vector<naga::Sequence> sequences;
        std::vector<Index> tokens, of_row;
        for (Index i = first; i + 1 < slots && (cut || i == first); ++i) {
            if (left(i) == 0 || (cut && once_in(3))) continue;
            Index length = !cut ? left(i) : once_in(2) ? 1 : pick(1, left(i));
            Index start = tokens.size();
            const Index source = slot_of[i + 1], other = (source + slots) % (2 * slots);
            const Index* own = order.data() + i * most;
            if (length > 1 && once_in(3)) {
                // In two, the second from where the first has put its state.
                Index first_part = pick(1, length - 1);
                sequences.push_back({start, first_part, done[i], other, source, own});
                sequences.push_back({start + first_part, length - first_part, done[i] + first_part,
                                     source, other, own});
            } else {
                if (once_in(2)) slot_of[i + 1] = other;
                sequences.push_back({start, length, done[i], slot_of[i + 1], source, own});
            }
            for (; length > 0; --length) {
                tokens.push_back(texts[i][done[i]++]);
                of_row.push_back(i);
            }
        }
        if (tokens.empty()) continue;
        tokens.shrink_to_fit();
        Index rows = tokens.size();
        Array hidden(element, rows, c.hidden_dim), logits(WIDE, rows, c.vocab_size);
        plan.step(tokens.data(), sequences, states, hidden.at());
        plan.logits(hidden.at(), rows, logits.floats());
        for (Index row = 0; row < rows; ++row)
            for (Index n = 0; n < c.vocab_size; ++n)
                found[of_row[row]].push_back(logits.get(row, n));
    }
    return found;
}
