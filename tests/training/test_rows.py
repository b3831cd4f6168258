"""Rows for tuning: a branch learns exactly what it would learn alone."""

from random import Random

import pytest

torch = pytest.importorskip("torch", reason="only the recipe of the models needs it")
transformers = pytest.importorskip("transformers")

from training import lora, rows, tune, written  # noqa: E402


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


@pytest.fixture
def some_rows():
    rng = Random(2)

    def ids(count):
        return [rng.randrange(3, 300) for _ in range(count)]

    return [
        rows.Row(ids(n), [(ids(5), ids(4)), (ids(3), ids(6)), (ids(7), ids(2))]) for n in (9, 14)
    ]


def test_a_branch_has_the_loss_that_it_has_alone(model, some_rows):
    """Positions and mask are exact, whatever stands beside a branch and however rows are padded."""
    together = tune.loss(model, rows.collate(some_rows)).item()
    alone = [rows.Row(row.beginning, [branch]) for row in some_rows for branch in row.branches]
    tokens = [len(answer) for row in alone for _, answer in row.branches]
    losses = [tune.loss(model, rows.collate([row])).item() for row in alone]
    expected = sum(n * value for n, value in zip(tokens, losses, strict=True)) / sum(tokens)
    assert together == pytest.approx(expected, rel=1e-4)


def test_a_new_adapter_changes_nothing_and_is_saved_in_the_form_of_peft(model, some_rows, tmp_path):
    from safetensors.torch import load_file

    before = tune.loss(model, rows.collate(some_rows)).item()
    parameters = lora.add(model)
    assert tune.loss(model, rows.collate(some_rows)).item() == pytest.approx(before)
    assert {name for name, value in model.named_parameters() if value.requires_grad} == {
        name.removeprefix(lora.PREFIX).removesuffix(".weight") for name in parameters
    }
    lora.save(parameters, "base.gguf", tmp_path)
    tensors = load_file(tmp_path / lora.WEIGHTS)
    name = "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"
    assert tensors[name].shape == (lora.RANK, 48)
    assert tensors[name].dtype == torch.float16
    assert len(tensors) == 2 * 2 * 7


def test_the_same_seed_draws_the_same_rows_and_the_written_notes_only_when_asked():
    class Words:
        """Stands in for a tokenizer: a number for each word."""

        def __call__(self, text, add_special_tokens):
            return type("Ids", (), {"input_ids": [hash(word) % 97 for word in text.split()]})

    drawn = rows.Rows(Words(), written.split(validation=False)[:40])
    assert drawn.batch("a", 900, True) == drawn.batch("a", 900, True)
    assert drawn.batch("a", 900, True) != drawn.batch("b", 900, True)
    for seed in range(20):
        batch = drawn.batch(seed, 900, with_written=seed % 2 == 0)
        assert max(map(len, batch)) * len(batch) <= 900 or len(batch) == 1


def test_the_learning_rate_rises_stays_and_falls_to_nothing():
    rates = [tune.schedule(step, 100) for step in range(100)]
    assert rates[0] == 1 / tune.WARM_UP
    assert rates[tune.WARM_UP : 50] == [1.0] * (50 - tune.WARM_UP)
    assert rates[-1] == pytest.approx(0.02)
