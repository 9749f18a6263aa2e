"""naga's models inside transformers: importing this package is all that is needed.

    import naga.hf
    AutoModelForCausalLM.from_pretrained(FOLDER)     # model_type naga
    NagaForCausalLM.from_pretrained(FOLDER)          # any folder that naga reads

An adapter over the one network of naga.model: config.py is ModelConfig as transformers wants it,
flat.py turns padded or packed batches into flat tokens, cache.py remembers between steps of
`generate`, pretrained.py reads and writes folders, model.py has the two classes. Public model types
stay transformers' own under AutoModelForCausalLM. Needs transformers, which naga does not install.
"""

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from naga.hf.cache import NagaCache
from naga.hf.config import NagaConfig
from naga.hf.model import NagaForCausalLM, NagaModel

__all__ = ["NagaCache", "NagaConfig", "NagaForCausalLM", "NagaModel"]

AutoConfig.register(NagaConfig.model_type, NagaConfig)
AutoModel.register(NagaConfig, NagaModel)
AutoModelForCausalLM.register(NagaConfig, NagaForCausalLM)
