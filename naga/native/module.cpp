// naga._cpu: the Python face of the native plan, of packed weights and of single kernels for tests.
//
// Arrays come by DLPack and are used where they lie: C-contiguous, on the CPU. The GIL is released
// while anything computes. Wrong shapes and dtypes raise ValueError naming the array.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "plan.hpp"
#include "probe.hpp"

namespace nb = nanobind;
using namespace naga;
using namespace nb::literals;

namespace {

// Not converted where they do not fit, which would compute on a copy.
using Array = nb::ndarray<nb::device::cpu>;
using Input = nb::ndarray<nb::ro, nb::device::cpu>;
using Integers = nb::ndarray<const Index, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class A> bool is_float32(const A& a) { return a.dtype() == nb::dtype<float>(); }
template <class A> bool is_bytes(const A& a) { return a.dtype() == nb::dtype<std::uint8_t>(); }
template <class A> bool is_element(const A& a, Element element) {
    if (element == Element::float32) return is_float32(a);
    return a.dtype().code == std::uint8_t(nb::dlpack::dtype_code::Bfloat) && a.dtype().bits == 16;
}
template <class A> bool is_int8(const A& a) { return a.dtype() == nb::dtype<std::int8_t>(); }

void require(bool good, const char* name, const char* what) {
    if (!good) throw std::invalid_argument(std::string(name) + ": " + what);
}

template <class A> std::vector<Index> shape_of(const A& a) {
    std::vector<Index> shape;
    for (std::size_t i = 0; i < a.ndim(); ++i) shape.push_back(Index(a.shape(i)));
    return shape;
}

template <class A> void require_contiguous(const A& a, const char* name) {
    Index stride = 1;
    for (std::size_t i = a.ndim(); i-- > 0; stride *= Index(a.shape(i)))
        require(a.shape(i) == 1 || a.size() == 0 || a.stride(i) == stride, name,
                "must be contiguous");
}

template <class A>
void require_shape(const A& a, const char* name, const std::vector<Index>& shape,
                   const char* what = "has another shape than the model's") {
    require(shape_of(a) == shape, name, what);
    require_contiguous(a, name);
}

template <class A> Element element_of(const A& a, const char* name) {
    require(is_element(a, Element::float32) || is_element(a, Element::bfloat16), name,
            "must be float32 or bfloat16");
    return is_float32(a) ? Element::float32 : Element::bfloat16;
}

Isa isa_of(const std::string& name) {
    const char* names[] = {"portable", "avx2", "avx512", "avx512_bf16"};
    for (int i = 0; i < 4; ++i)
        if (name == names[i]) return Isa(i);
    throw std::invalid_argument("instruction set " + name +
                                ": unknown; use portable, avx2, avx512 or avx512_bf16");
}

const Kernels& table_of(const std::string& isa, const std::string& dtype) {
    Element element = dtype == "float32" ? Element::float32 : Element::bfloat16;
    require(dtype == "float32" || dtype == "bfloat16", "dtype", "use float32 or bfloat16");
    const Kernels* table = kernels(isa_of(isa), element);
    if (!table) throw std::invalid_argument("instruction set " + isa + ": not on this processor");
    return *table;
}

using Scales = std::optional<Array>;

States states_of(const Plan& plan, const Array& ssm, const Array& conv, const Array& keys,
                 const Array& values, const Scales& key_scales, const Scales& value_scales,
                 const Array& mamba1_ssm, const Array& mamba1_conv) {
    const PlanConfig& c = plan.config();
    Element element = plan.kernels().element;
    States states;
    // An H layer has the state of an M and of a *.
    auto count = [&](char kind) {
        return Index(std::count_if(c.layers.begin(), c.layers.end(),
                                   [kind](char other) { return other == kind || other == 'H'; }));
    };
    Index mambas = count('M'), attentions = count('*');
    if (mambas) {
        states.slots = Index(ssm.ndim() == 5 ? ssm.shape(1) : 0);
        require(is_float32(ssm), "ssm", "must be float32");
        require_shape(ssm, "ssm",
                      {mambas, states.slots, c.mamba_heads, c.mamba_head_dim, c.state_dim});
        require(is_element(conv, element), "conv", "must have the plan's dtype");
        require_shape(conv, "conv", {mambas, states.slots, c.conv_width - 1, c.conv_dim()});
        states.ssm = static_cast<float*>(ssm.data());
        states.conv = conv.data();
    }
    if (Index layers = Index(std::count(c.layers.begin(), c.layers.end(), 'S'))) {
        const Index slots = Index(mamba1_ssm.ndim() == 4 ? mamba1_ssm.shape(1) : 0);
        require(!mambas || slots == states.slots, "mamba1_ssm", "must have as many slots as ssm");
        states.slots = slots;
        require(is_float32(mamba1_ssm), "mamba1_ssm", "must be float32");
        require_shape(mamba1_ssm, "mamba1_ssm", {layers, slots, c.mamba1_dim, c.mamba1_state_dim});
        require(is_element(mamba1_conv, element), "mamba1_conv", "must have the plan's dtype");
        require_shape(mamba1_conv, "mamba1_conv",
                      {layers, slots, c.mamba1_conv_width - 1, c.mamba1_dim});
        states.mamba1_ssm = static_cast<float*>(mamba1_ssm.data());
        states.mamba1_conv = mamba1_conv.data();
    }
    if (attentions) {
        require(keys.ndim() == 5, "keys", "must have five axes");
        states.pages = Index(keys.shape(1));
        states.page_size = Index(keys.shape(2));
        for (const auto& [name, array] : {std::pair("keys", &keys), std::pair("values", &values)}) {
            require(key_scales ? is_int8(*array) : is_element(*array, element), name,
                    "must have the plan's dtype, or be int8 and have scales");
            require_shape(*array, name,
                          {attentions, states.pages, states.page_size, c.key_heads, c.head_dim});
        }
        require(key_scales.has_value() == value_scales.has_value(), "key_scales, value_scales",
                "must be given together");
        for (const auto& [name, to, scales] :
             {std::tuple("key_scales", &states.key_scales, &key_scales),
              std::tuple("value_scales", &states.value_scales, &value_scales)}) {
            if (!scales->has_value()) continue;
            require(is_float32(**scales), name, "must be float32");
            require_shape(**scales, name,
                          {attentions, states.pages, states.page_size, c.key_heads});
            *to = static_cast<float*>((*scales)->data());
        }
        states.keys = keys.data();
        states.values = values.data();
    }
    return states;
}

using Numbers = std::vector<Index>;

std::vector<Sequence> sequences_of(const Plan& plan, const States& states, const Numbers& lengths,
                                   const Numbers& starts, const Numbers& slots,
                                   const Numbers& sources, const std::vector<Numbers>& pages) {
    const PlanConfig& c = plan.config();
    std::size_t count = lengths.size();
    require(count >= 1, "lengths", "must name at least one sequence");
    require(starts.size() == count && slots.size() == count && sources.size() == count &&
                pages.size() == count,
            "starts, slots, sources, pages", "must have one row for each sequence");
    std::vector<Sequence> sequences;
    Index first = 0;
    const bool recurrent = states.ssm || states.mamba1_ssm;
    for (std::size_t i = 0; i < count; ++i) {
        Sequence q{first, lengths[i], starts[i], slots[i], sources[i], pages[i].data()};
        require(q.length >= 1 && q.start >= 0, "lengths, starts", "must be positive, not negative");
        require(!recurrent || (q.slot >= 0 && q.slot < states.slots), "slots",
                "names a slot the pool lacks");
        require(!recurrent || (q.source >= 0 && q.source < states.slots), "sources",
                "names a slot the pool lacks");
        Index used = c.heads ? (q.start + q.length - 1) / states.page_size + 1 : 0;
        require(used <= Index(pages[i].size()), "pages", "has too few pages for a sequence");
        for (Index p = 0; p < used; ++p)
            require(q.pages[p] >= 0 && q.pages[p] < states.pages, "pages",
                    "names a page the pool lacks");
        sequences.push_back(q);
        first += q.length;
    }
    return sequences;
}

void require_complete(const Plan& plan) {
    const std::vector<std::string> missing = plan.missing();
    require(missing.empty(), missing.empty() ? "" : missing[0].c_str(), "was never loaded");
}

// Adds to what a plan has spent, from here to the end of the scope.
class Stopwatch {
  public:
    explicit Stopwatch(Plan& plan) : plan_(plan) {}
    ~Stopwatch() {
        plan_.seconds += std::chrono::duration<double>(Clock::now() - start_).count();
    }

  private:
    using Clock = std::chrono::steady_clock;
    Plan& plan_;
    Clock::time_point start_ = Clock::now();
};

// A pool's tensors, found to fit a plan; they live as long as this does.
struct BoundStates {
    const Plan* plan;
    std::vector<Array> arrays;
    States states;
};

BoundStates bind(const Plan& plan, const Array& ssm, const Array& conv, const Array& keys,
          const Array& values, const Scales& key_scales, const Scales& value_scales,
          const Array& mamba1_ssm, const Array& mamba1_conv) {
    States states = states_of(plan, ssm, conv, keys, values, key_scales, value_scales, mamba1_ssm,
                              mamba1_conv);
    BoundStates bound{&plan, {ssm, conv, keys, values, mamba1_ssm, mamba1_conv}, states};
    if (key_scales) bound.arrays.insert(bound.arrays.end(), {*key_scales, *value_scales});
    for (const Array& array : bound.arrays) advise_huge(array.data(), array.nbytes());
    return bound;
}

void require_tokens(const Index* tokens, std::size_t count, Index rows, const PlanConfig& c) {
    require(Index(count) == rows, "tokens", "must be as many as the lengths add up to");
    require(std::all_of(tokens, tokens + count,
                        [&](Index token) { return token >= 0 && token < c.vocab_size; }),
            "tokens", "holds a token beyond the vocabulary");
}

void step(Plan& plan, const Integers& tokens, const Numbers& lengths, const Numbers& starts,
          const Numbers& slots, const Numbers& sources, const std::vector<Numbers>& pages,
          const BoundStates& bound, const Array& hidden) {
    const PlanConfig& c = plan.config();
    Stopwatch stopwatch(plan);
    require_complete(plan);
    require(bound.plan == &plan, "states", "were bound by another plan");
    const States& states = bound.states;
    const std::vector<Sequence> sequences =
        sequences_of(plan, states, lengths, starts, slots, sources, pages);
    Index rows = sequences.empty() ? 0 : sequences.back().first + sequences.back().length;
    require_tokens(tokens.data(), tokens.shape(0), rows, c);
    require(is_element(hidden, plan.kernels().element), "hidden", "must have the plan's dtype");
    require_shape(hidden, "hidden", {rows, c.hidden_dim});
    nb::gil_scoped_release released;
    plan.step(tokens.data(), sequences, states, hidden.data());
}

void logits(Plan& plan, const Input& hidden, const Array& out) {
    Stopwatch stopwatch(plan);
    require_complete(plan);
    Index rows = Index(hidden.ndim() ? hidden.shape(0) : 0);
    require(is_element(hidden, plan.kernels().element), "hidden", "must have the plan's dtype");
    require_shape(hidden, "hidden", {rows, plan.config().hidden_dim});
    require(is_float32(out), "logits", "must be float32");
    require_shape(out, "logits", {rows, plan.config().vocab_size});
    nb::gil_scoped_release released;
    plan.logits(hidden.data(), rows, static_cast<float*>(out.data()));
}

// bias, mask, forced, top
using Wishes = std::tuple<std::vector<std::pair<Index, double>>, std::optional<nb::bytes>,
                          std::optional<Index>, Index>;
// temperature, top_p, top_k, seed, choice, position, and wishes that few draws have
using DrawNumbers = std::tuple<double, double, Index, std::uint64_t, std::uint64_t, std::uint64_t,
                               std::optional<Wishes>>;

// The mask is read where it lies.
void add_wishes(const Wishes& wishes, Index vocab_size, Draw& draw) {
    const auto& [bias, mask, forced, top] = wishes;
    auto known = [&](Index token) { return token >= 0 && token < vocab_size; };
    for (const auto& [token, amount] : bias) {
        require(known(token), "bias", "names a token beyond the vocabulary");
        require(amount < double(INFINITY), "bias", "must be below infinity");
        draw.bias.emplace_back(token, float(amount));
    }
    if (mask) {
        draw.mask = static_cast<const unsigned char*>(mask->data());
        draw.mask_bytes = Index(mask->size());
    }
    if (forced) {
        require(known(*forced), "forced", "is a token beyond the vocabulary");
        draw.forced = *forced;
    }
    require(top >= 0, "top", "must not be negative");
    draw.top = top;
}

std::vector<Draw> draws_of(const std::vector<DrawNumbers>& numbers, Index vocab_size) {
    std::vector<Draw> draws;
    for (const auto& [temperature, top_p, top_k, seed, choice, position, wishes] : numbers) {
        draws.push_back({temperature, top_p, top_k, seed, choice, position});
        if (wishes) add_wishes(*wishes, vocab_size, draws.back());
    }
    return draws;
}

nb::tuple top_of(const Chosen& chosen) {
    nb::list top;
    for (const auto& [token, logprob] : chosen.top) top.append(nb::make_tuple(token, logprob));
    return nb::tuple(top);
}

nb::list list_of(const std::vector<Chosen>& chosen) {
    const nb::tuple none = nb::make_tuple();
    nb::list all;
    for (const Chosen& one : chosen)
        all.append(nb::make_tuple(one.token, one.logprob, one.top.empty() ? none : top_of(one)));
    return all;
}

// A token, its log-probability and the top ones for each row; token -1 for a row that is not
// finite, -2 for one of which nothing may be chosen.
nb::list draw_tokens(Plan& plan, const Input& logits, const std::vector<DrawNumbers>& numbers) {
    Stopwatch stopwatch(plan);
    require_contiguous(logits, "logits");
    require(is_float32(logits), "logits", "must be float32");
    require_shape(logits, "logits", {Index(numbers.size()), plan.config().vocab_size});
    const std::vector<Draw> draws = draws_of(numbers, plan.config().vocab_size);
    std::vector<Chosen> chosen(numbers.size());
    {
        nb::gil_scoped_release released;
        plan.sample(static_cast<const float*>(logits.data()), draws, chosen.data());
    }
    return list_of(chosen);
}

nb::list choose(Plan& plan, const Numbers& tokens, const Numbers& lengths, const Numbers& starts,
                const Numbers& slots, const Numbers& sources, const std::vector<Numbers>& pages,
                const BoundStates& bound, const Numbers& rows, const std::vector<DrawNumbers>& numbers) {
    Stopwatch stopwatch(plan);
    require_complete(plan);
    require(bound.plan == &plan, "states", "were bound by another plan");
    const States& states = bound.states;
    const std::vector<Sequence> sequences =
        sequences_of(plan, states, lengths, starts, slots, sources, pages);
    const Index total = sequences.back().first + sequences.back().length;
    require_tokens(tokens.data(), tokens.size(), total, plan.config());
    require(numbers.size() == rows.size(), "draws", "must be as many as the rows");
    for (std::size_t i = 0; i < rows.size(); ++i)
        require(rows[i] > (i ? rows[i - 1] : -1) && rows[i] < total, "rows",
                "must ascend within the tokens");
    const std::vector<Draw> draws = draws_of(numbers, plan.config().vocab_size);
    std::vector<Chosen> chosen(rows.size());
    {
        nb::gil_scoped_release released;
        plan.choose(tokens.data(), sequences, states, rows, draws, chosen.data());
    }
    return list_of(chosen);
}

// (columns,), or nothing.
const float* importance_of(const std::optional<Input>& importance, Index columns) {
    if (!importance) return nullptr;
    require(is_float32(*importance), "importance", "must be float32");
    require_shape(*importance, "importance", {columns}, "must have a number for each column");
    const float* numbers = static_cast<const float*>(importance->data());
    require(std::all_of(numbers, numbers + columns,
                        [](float x) { return x >= 0 && std::isfinite(x); }),
            "importance", "must be finite and not negative");
    return numbers;
}

void load(Plan& plan, const std::string& name, const Input& array,
          const std::optional<Input>& importance) {
    Element type = element_of(array, name.c_str());
    require(array.ndim() >= 1, name.c_str(), "has another shape");
    require_contiguous(array, name.c_str());
    const float* numbers = importance_of(importance, Index(array.shape(array.ndim() - 1)));
    nb::gil_scoped_release released;
    plan.load(name, shape_of(array), type, array.data(), numbers);
}

void borrow(Plan& plan, const std::string& name, const Input& array) {
    require(is_bytes(array), name.c_str(), "must be uint8 once packed");
    require_contiguous(array, name.c_str());
    plan.borrow(name, shape_of(array), static_cast<const char*>(array.data()));
}

void settle(Plan& plan, const std::string& name) {
    nb::gil_scoped_release released;
    plan.settle(name);
}

std::size_t read_weights(Plan& plan) {
    nb::gil_scoped_release released;
    return plan.read_weights();
}

nb::list tensors_of(const Plan& plan) {
    const char* kinds[] = {"matrix", "experts", "vector"};
    nb::list all;
    for (const Tensor& tensor : plan.tensors())
        all.append(nb::make_tuple(tensor.name, nb::tuple(nb::cast(tensor.shape)),
                                  kinds[tensor.kind]));
    return all;
}

// ---- packed weights

Matrix packed_matrix(Index rows, Index columns, Format format, Index group) {
    const Index most = Index(1) << 31;
    require(rows >= 1 && rows < most && columns >= 1 && columns < most, "rows, columns",
            "must be at least 1 and below 2^31");
    require(format != Format::element, "format", "use int8 or int4");
    return quantised_matrix(rows, columns, format, group);
}

const Kernels& best_table(Element element) { return *kernels(best_isa(), element); }

template <class A> void require_packed(const A& a, const char* name, const Matrix& matrix) {
    require(is_bytes(a), name, "must be uint8");
    require_shape(a, name, {Index(best_table(Element::float32).packed_bytes(matrix))},
                  "must be packed_bytes long");
}

std::size_t packed_bytes(Index rows, Index columns, Format format, Index group) {
    return best_table(Element::float32)
        .packed_bytes(packed_matrix(rows, columns, format, group));
}

void pack(const Input& weight, Format format, Index group, const std::optional<Input>& importance,
          const Array& out, const std::optional<std::string>& isa) {
    Element element = element_of(weight, "weight");
    require(weight.ndim() == 2, "weight", "must have two axes");
    require_contiguous(weight, "weight");
    Matrix matrix = packed_matrix(Index(weight.shape(0)), Index(weight.shape(1)), format, group);
    require_packed(out, "out", matrix);
    const float* numbers = importance_of(importance, matrix.columns);
    const Kernels* table = kernels(isa ? isa_of(*isa) : best_isa(), element);
    require(table, "isa", "not on this processor");
    nb::gil_scoped_release released;
    table->pack(weight.data(), numbers, matrix, 0, table->panels(matrix), out.data());
}

void unpack(const Input& packed, Index rows, Index columns, Format format, Index group,
            const Array& out) {
    Matrix matrix = packed_matrix(rows, columns, format, group);
    require_packed(packed, "packed", matrix);
    require(is_float32(out), "out", "must be float32");
    require_shape(out, "out", {rows, columns}, "must be (rows, columns)");
    matrix.data = packed.data();
    nb::gil_scoped_release released;
    for (Index row = 0; row < rows; ++row)
        best_table(Element::float32)
            .packed_row(matrix, row, static_cast<float*>(out.data()) + row * columns);
}

// y (T, rows) float32 = x (T, K) W^T, on one thread.
void product(const Input& x, const Input& packed, Index rows, Format format, Index group,
             const Array& y, const std::string& isa) {
    Element element = element_of(x, "x");
    require(x.ndim() == 2, "x", "must have two axes");
    require_contiguous(x, "x");
    const Index count = Index(x.shape(0)), columns = Index(x.shape(1));
    Matrix matrix = packed_matrix(rows, columns, format, group);
    require_packed(packed, "packed", matrix);
    require(is_float32(y), "y", "must be float32");
    require_shape(y, "y", {count, rows}, "must be (rows of x, rows)");
    const Kernels* table = kernels(isa_of(isa), element);
    require(table, "isa", "not on this processor");
    matrix.data = packed.data();
    const std::size_t groups = std::size_t(count * ((columns + matrix.group - 1) / matrix.group));
    std::vector<std::int8_t> values(groups * std::size_t(matrix.group));
    std::vector<float> scales(groups);
    std::vector<std::int32_t> totals(groups);
    Quantised quantised{values.data(), scales.data(), totals.data()};
    nb::gil_scoped_release released;
    table->quantise(x.data(), columns, columns, matrix.group, 0, count, quantised);
    Product product{x.data(),    columns, count, &matrix, y.data(), rows,
                    Store::wide, 1,       quantised};
    table->product(product, 0, table->panels(matrix));
}

double probe_reading(Index bytes, int threads) {
    require(threads >= 1, "threads", "must be at least 1");
    require(bytes >= 4096 * Index(threads), "bytes", "must be at least 4096 for each thread");
    nb::gil_scoped_release released;
    return read_bandwidth(bytes, threads);
}

double probe_products(const std::string& dtype, const std::string& isa, int threads) {
    require(threads >= 1, "threads", "must be at least 1");
    bool quantised = dtype == "int8";
    require(quantised || dtype == "float32" || dtype == "bfloat16", "dtype",
            "use float32, bfloat16 or int8");
    const Kernels& table = table_of(isa, quantised ? "bfloat16" : dtype);
    nb::gil_scoped_release released;
    return product_peak(table, quantised ? Format::int8 : Format::element, threads);
}

}  // namespace

NB_MODULE(_cpu, m) {
    m.doc() = "Native inference on the CPU; see naga/native.";
    m.def("best_isa", [] {
        const char* names[] = {"portable", "avx2", "avx512", "avx512_bf16"};
        return names[int(best_isa())];
    });
    m.def("has_isa", [](const std::string& isa) {
        return kernels(isa_of(isa), Element::float32) != nullptr;
    });
    m.def("read_bandwidth", &probe_reading);
    m.def("product_peak", &probe_products);
    nb::enum_<Format>(m, "Format")
        .value("element", Format::element)
        .value("int8", Format::int8)
        .value("int4", Format::int4);
    m.def("packed_bytes", &packed_bytes);
    m.def("pack", &pack, nb::arg("weight"), nb::arg("format"), nb::arg("group"),
          nb::arg("importance").none(), nb::arg("out"), nb::arg("isa").none() = nb::none());
    m.def("unpack", &unpack);
    m.def("product", &product);
    nb::class_<PlanConfig>(m, "PlanConfig")
        .def(nb::init<>())
#define NAGA_FIELD(name) .def_rw(#name, &PlanConfig::name)
        NAGA_FIELD(layers) NAGA_FIELD(vocab_size) NAGA_FIELD(hidden_dim) NAGA_FIELD(norm_eps)
        NAGA_FIELD(tied) NAGA_FIELD(embedding_multiplier) NAGA_FIELD(residual_multiplier)
        NAGA_FIELD(logits_divisor) NAGA_FIELD(mamba_heads) NAGA_FIELD(mamba_head_dim)
        NAGA_FIELD(state_dim) NAGA_FIELD(groups) NAGA_FIELD(conv_width) NAGA_FIELD(dt_low)
        NAGA_FIELD(dt_high) NAGA_FIELD(heads) NAGA_FIELD(key_heads) NAGA_FIELD(head_dim)
        NAGA_FIELD(softmax_scale) NAGA_FIELD(rope_base) NAGA_FIELD(qk_norm) NAGA_FIELD(mlp_dim)
        NAGA_FIELD(mlp_gated) NAGA_FIELD(experts) NAGA_FIELD(top_k) NAGA_FIELD(expert_dim)
        NAGA_FIELD(shared_dim) NAGA_FIELD(expert_gated) NAGA_FIELD(sigmoid_router)
        NAGA_FIELD(routed_scale) NAGA_FIELD(format) NAGA_FIELD(group)
        NAGA_FIELD(rotary_dim) NAGA_FIELD(rope_scales) NAGA_FIELD(qk_norm_first)
        NAGA_FIELD(weigh_all) NAGA_FIELD(latent_dim)
        NAGA_FIELD(mamba1_dim) NAGA_FIELD(mamba1_state_dim) NAGA_FIELD(mamba1_conv_width)
        NAGA_FIELD(dt_rank) NAGA_FIELD(mamba1_norms)
        NAGA_FIELD(logits_multiplier) NAGA_FIELD(gate_norm) NAGA_FIELD(norm_first)
        NAGA_FIELD(z_multiplier) NAGA_FIELD(x_multiplier) NAGA_FIELD(B_multiplier)
        NAGA_FIELD(C_multiplier) NAGA_FIELD(dt_multiplier) NAGA_FIELD(q_multiplier)
        NAGA_FIELD(k_multiplier) NAGA_FIELD(v_multiplier) NAGA_FIELD(ssm_out_multiplier)
        NAGA_FIELD(attention_out_multiplier) NAGA_FIELD(gate_multiplier)
        NAGA_FIELD(down_multiplier);
#undef NAGA_FIELD
    nb::class_<BoundStates>(m, "BoundStates");
    nb::class_<Plan>(m, "Plan")
        .def("__init__",
             [](Plan* plan, const PlanConfig& config, const std::string& isa,
                const std::string& dtype, int threads) {
                 require(threads >= 1, "threads", "must be at least 1");
                 new (plan) Plan(config, table_of(isa, dtype), threads);
             })
        .def("load", &load, nb::arg("name"), nb::arg("array"),
             nb::arg("importance").none() = nb::none())
        .def("borrow", &borrow)
        .def("settle", &settle)
        .def("read_weights", &read_weights)
        .def("tensors", &tensors_of)
        .def("missing", &Plan::missing)
        .def("bind", &bind, "ssm"_a, "conv"_a, "keys"_a, "values"_a, "key_scales"_a.none(),
             "value_scales"_a.none(), "mamba1_ssm"_a, "mamba1_conv"_a, nb::keep_alive<0, 1>())
        .def("step", &step)
        .def("logits", &logits)
        .def("sample", &draw_tokens)
        .def("choose", &choose)
        .def_ro("seconds", &Plan::seconds)
        .def_prop_ro("threads", &Plan::threads)
        .def_prop_ro("weight_bytes", &Plan::weight_bytes)
        .def_prop_ro("isa", [](const Plan& plan) { return plan.kernels().name; });
}
