// A model prepared for inference: packed weights and one call for a whole step.
//
// Derived from a ModelConfig; computes what HybridLM.step computes (naga/model/lm.py), layer by
// layer, with the same rounding points. Owns its scratch and its weights; states belong to the caller's pool and are updated in place.
// One caller at a time. Knows no requests.
//
// T tokens of S sequences laid end to end; D model dim.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "arena.hpp"
#include "kernels.hpp"
#include "pool.hpp"
#include "sample.hpp"

namespace naga {

struct PlanConfig {
    std::string layers;  // M, *, -, E, S, H
    Index vocab_size = 0, hidden_dim = 0;
    float norm_eps = 1e-5f;
    bool tied = true;
    float embedding_multiplier = 1, residual_multiplier = 1, logits_divisor = 1;
    float logits_multiplier = 1;

    Index mamba_heads = 0, mamba_head_dim = 0, state_dim = 0, groups = 1, conv_width = 0;
    float dt_low = 0, dt_high = 0;
    bool gate_norm = true, norm_first = false;  // as Gate says
    // On the parts of in_proj's output.
    float z_multiplier = 1, x_multiplier = 1, B_multiplier = 1, C_multiplier = 1, dt_multiplier = 1;

    Index heads = 0, key_heads = 0, head_dim = 0;
    float softmax_scale = 0;
    float rope_base = 0;  // 0: no rotation
    Index rotary_dim = 0;              // leading dims of a head that rotate
    std::vector<float> rope_scales;    // of each frequency, (rotary_dim / 2,); empty: 1
    bool qk_norm = false;
    bool qk_norm_first = false;  // before the rotation
    float q_multiplier = 1, k_multiplier = 1, v_multiplier = 1;

    float ssm_out_multiplier = 1, attention_out_multiplier = 1;  // H

    Index mlp_dim = 0;
    bool mlp_gated = true;
    float gate_multiplier = 1, down_multiplier = 1;

    Index experts = 0, top_k = 0, expert_dim = 0, shared_dim = 0;
    bool expert_gated = true, sigmoid_router = false;
    float routed_scale = 1;
    bool weigh_all = false;  // a softmax router's weights are of the softmax over all experts
    Index latent_dim = 0;    // what routed experts read and write; 0: hidden_dim

    // S
    Index mamba1_dim = 0, mamba1_state_dim = 0, mamba1_conv_width = 0, dt_rank = 0;
    bool mamba1_norms = false;

    // What projections and experts are held in; if quantised, embeddings, the head and Mamba-1's
    // x_proj and dt_proj are int8 and routers stay float32. group: 32, 64 or 128 columns share a
    // scale, or with int8 all of a matrix: 0.
    Format format = Format::element;
    Index group = 0;

    Index inner_dim() const { return mamba_heads * mamba_head_dim; }
    Index conv_dim() const { return inner_dim() + 2 * groups * state_dim; }
    Index select_dim() const { return dt_rank + 2 * mamba1_state_dim; }
    Index in_proj_dim() const { return inner_dim() + conv_dim() + mamba_heads; }
    Index expert_width() const { return latent_dim ? latent_dim : hidden_dim; }
};

// One sequence's part of a step. The next one may go on from its state, and on its pages.
struct Sequence {
    Index first, length;  // rows of this step
    Index start;          // position of its first token
    Index slot;           // its state afterwards
    Index source;         // its state before; left as it is where that is another slot
    const Index* pages;
};

// The caller's StatePool, layer after layer of its kind.
struct States {
    float* ssm = nullptr;   // (L, slots, H, P, S)
    void* conv = nullptr;   // (L, slots, W-1, C) E
    void* keys = nullptr;   // (L, pages, page_size, V, d) E, or int8 if there are scales
    void* values = nullptr;
    float* key_scales = nullptr;  // (L, pages, page_size, V) where keys and values are int8
    float* value_scales = nullptr;
    Index slots = 0, pages = 0, page_size = 1;
    float* mamba1_ssm = nullptr;  // (L, slots, C, S)
    void* mamba1_conv = nullptr;  // (L, slots, W-1, C) E
};

// An int8 or int4 matrix without data yet; `group` as PlanConfig has it. Throws
// std::invalid_argument for what no kernel computes with.
Matrix quantised_matrix(Index rows, Index columns, Format format, Index group);

// Packed weights (N, K), in memory that the plan has given them or in someone else's.
class Packed {
  public:
    // Without any memory yet.
    void shape(const Kernels& kernels, Index rows, Index columns, Format format = Format::element,
               Index group = 0);
    // From now on in this memory, `bytes` of it; contents are as they are.
    void place(char* memory) { matrix_.data = memory_ = memory; }
    // Read from now on where `data` lies, until it has a place.
    void borrow(const char* data) { matrix_.data = data; }
    char* memory() const { return memory_; }
    // Packs panels [first, last) of `weight` (rows, columns), elements of these kernels.
    void fill(const Kernels& kernels, const void* weight, const float* importance, Index first,
              Index last);
    const Matrix& matrix() const { return matrix_; }
    Index panels() const { return panels_; }
    std::size_t bytes() const { return bytes_; }

  private:
    Matrix matrix_;
    char* memory_ = nullptr;
    Index panels_ = 0;
    std::size_t bytes_ = 0;
};

// A tensor that a plan can be given.
struct Tensor {
    std::string name;
    std::vector<Index> shape;
    enum Kind { matrix, experts, vector } kind;
};

struct Layer {
    char kind = 0;
    Index number = 0;  // among its kind
    std::vector<float> norm;
    // M: in_proj, out_proj. *: q, k, v, o. -: up, down. E: the shared expert's up, down; the latent
    // space's enter, leave. S: in_proj, x_proj, dt_proj, out_proj.
    std::vector<Packed> matrices;
    // M: conv (W, C), conv bias, dt_bias, A, D, gated norm. *: q_norm, k_norm. E: router, bias.
    // S: conv, conv bias, dt_bias, A, D; norms of dt, B, C.
    std::vector<std::vector<float>> vectors;
    std::vector<Packed> up, down;  // E: one for each expert
    std::vector<Layer> halves;     // H: an M and a *, without norms
};

class Plan {
  public:
    Plan(const PlanConfig& config, const Kernels& kernels, int threads);
    const PlanConfig& config() const { return config_; }
    const Kernels& kernels() const { return kernels_; }
    int threads() const { return pool_.size(); }
    std::size_t weight_bytes() const;
    // Every tensor that makes up the model.
    std::vector<Tensor> tensors() const;

    // Put the tensor of this in-memory name in place, copied or packed. Matrices (rows, columns)
    // are E, or either type where they are quantised; everything else is float32. `importance` of
    // the columns of a quantised one, or null: see Kernels::pack. Throws std::invalid_argument for
    // an unknown name, another shape or type.
    void load(const std::string& name, const std::vector<Index>& shape, Element type,
              const void* data, const float* importance = nullptr);
    // The packed bytes of a quantised matrix, (bytes,), of experts (E, bytes), to be read where they
    // lie until `settle` or `load` gives the tensor memory of the plan's own. Throws as `load`, and
    // for one that has such memory already.
    void borrow(const std::string& name, const std::vector<Index>& shape, const char* data);
    // Copies what is borrowed, with all threads.
    void settle(const std::string& name);
    // Tensors never loaded so far.
    std::vector<std::string> missing() const;
    // Reads every weight once with all threads, each its own panels; returns their bytes.
    std::size_t read_weights();

    // hidden (T, D) E after the last norm. Nothing may be missing.
    void step(const Index* tokens, const std::vector<Sequence>& sequences, const States& states,
              void* hidden);
    // hidden (R, D) E -> logits (R, V) float32
    void logits(const void* hidden, Index rows, float* logits);
    // logits (R, V) float32 -> a token for each row
    void sample(const float* logits, const std::vector<Draw>& draws, Chosen* chosen);
    // step, then a token for each of `rows`, which ascend.
    void choose(const Index* tokens, const std::vector<Sequence>&, const States&,
                const std::vector<Index>& rows, const std::vector<Draw>&, Chosen* chosen);
    double seconds = 0;  // that callers have spent in the four above

  private:
    struct Slot;
    struct Rounded;
    struct Scratch;
    struct Step;
    Slot& find(const std::string& name);
    char* place(const Slot& slot);
    void add(const std::string& name, Packed* packed, std::vector<Index> shape);
    void add(const std::string& name, std::vector<float>* vector, std::vector<Index> shape);
    void load_packed(const Slot& slot, Element type, const void* data, const float* importance);
    template <class F> void each_packed(F f) const;
    template <class F> static void each_packed(const Layer& layer, F f);
    void make_layer(Layer& layer, const std::string& prefix);
    void make_halves(Layer& layer, const std::string& prefix);
    void grow(Index rows);

    void mamba1(Team& team, const Layer& layer, const Step& step);
    void select(Team& team, const Layer& layer, Index rows);
    // What a layer's last product does with its result, rows of the model's width.
    struct Into {
        void* y;
        Store store;
        float scale;
    };
    Into residual() const;
    void mamba(Team& team, const Layer& layer, const Step& step, const Into& into);
    void attention(Team& team, const Layer& layer, const Step& step, const Into& into);
    void parallel(Team& team, const Layer& layer, const Step& step);
    void scale_projected(Team& team, Index rows);
    void mlp(Team& team, const Layer& layer, const Step& step);
    void experts(Team& team, const Layer& layer, const Step& step);
    void group(const Step& step);
    // `rounded` holds x where weights are quantised: `round` has been called on all of its rows.
    void product(Team& team, const void* x, Index x_stride, Index rows, const Packed& weight,
                 const Rounded& rounded, void* y, Index y_stride, Store store = Store::element,
                 float scale = 1);
    // Rows [first, last) of x as int8; nothing where weights are not quantised.
    void round(const void* x, Index x_stride, Index columns, Index first, Index last,
               Rounded& rounded);
    void reserve_rounded(Rounded& rounded, Index columns, Index rows);
    // Columns of an operand that share a scale: as many as of the matrices that meet it.
    Index group_of(Index columns) const { return whole_group(config_.group, columns); }
    void norm_rows(Team& team, Index rows, const std::vector<float>& weight);
    void activate(Team& team, const void* x, Index inner, bool gated, void* y, Index rows);

    PlanConfig config_;
    const Kernels& kernels_;
    Pool pool_;
    Arena arena_;
    std::vector<Layer> layers_;
    std::vector<float> final_norm_, inverse_;
    Packed head_, embed_;  // a tied model has no embed_
    std::vector<Slot> slots_;
    std::unique_ptr<Scratch> scratch_;

  public:
    ~Plan();
};

}  // namespace naga
