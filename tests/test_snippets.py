"""What the manual says of other libraries is done as it stands there, with an exported file."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.formats.torch_file import torch_source
from actsearch.grammar.rows.known import read
from tests.evaluators.test_calls import STAND_IN

MANUAL = Path("search/exporting/README.md").read_text()
USE = {
    "timm": "model(torch.randn(2, 3, 64, 64)).sum().backward()",
    "transformers": "model(torch.arange(12).reshape(2, 6)).last_hidden_state.sum().backward()",
    "lightning": (
        "model = Net()\n"
        "data = torch.utils.data.TensorDataset(torch.randn(64, 20), torch.randint(0, 2, (64,)))\n"
        "loader = torch.utils.data.DataLoader(data, batch_size=16)\n"
        "trainer = lightning.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, accelerator='cpu',\n"
        "                            enable_progress_bar=False, enable_model_summary=False)\n"
        "trainer.fit(model, loader)\n"
        "model.layers(torch.randn(2, 20)).sum().backward()"
    ),
    "transformer_layer": (
        "model = nn.TransformerEncoder(layer, 2)\n"
        "model(torch.randn(2, 10, 64)).sum().backward()\n"
        "betas = [p for name, p in model.named_parameters() if 'beta' in name]\n"
        "assert len(betas) == 2"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("library", USE)
def test_a_library_takes_an_exported_activation_as_the_manual_says(library: str, tmp_path: Path) -> None:
    if library != "transformer_layer" and importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    (snippet,) = re.findall(rf"^```python\n# with_{library}\.py\n(.*?)^```$", MANUAL, re.DOTALL | re.MULTILINE)
    (tmp_path / "activation.py").write_text(torch_source(Discovery(read("swish"))))
    program = (
        f"{STAND_IN if library == 'timm' else ''}\n{snippet}\nimport torch\ntorch.manual_seed(0)\n{USE[library]}\n"
        "found = [layer for layer in model.modules() if isinstance(layer, Activation)]\n"
        "assert found and all(layer.beta.grad is not None for layer in found), 'it has no part'\n"
    )
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
