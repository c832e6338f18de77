import pytest

from neatfool import ConfigError, Cppn, Direct
from neatfool.search import PRESETS, EvolveConfig, build_config, read_config


def test_later_layers_win_setting_by_setting():
    config = build_config(
        PRESETS["paper-imagenet"], {"encoding": {"weight_rate": 0.2}}, {"model": {"name": "squeezenet1_0"}, "seed": 3}
    )
    assert config.model.name == "squeezenet1_0"
    assert config.model.crops == 10
    assert config.encoding == Cppn(coordinates="pixel", initial_mutations=0, weight_rate=0.2)
    assert (config.start, config.batch, config.generations, config.seed) == (400, 400, 5000, 3)


def test_another_encoding_drops_the_settings_of_the_one_below():
    assert build_config(PRESETS["paper-mnist"], {"encoding": {"name": "direct"}}).encoding == Direct()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_a_round_trip(name):
    config = build_config(PRESETS[name])
    assert EvolveConfig.model_validate(config.model_dump()) == config


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"generatoins": 3}, ["generatoins"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"encoding": {"name": "cppn", "weight_rate": 2}}, ["encoding.weight_rate", "2"]),
        ({"encoding": {"name": "cppn", "activations": ["sine", "step"]}}, ["activations", "gaussian"]),
        ({"encoding": {"name": "cpn"}}, ["cpn"]),
        ({"encoding": {"name": "direct"}, "strategy": {"name": "neat"}}, ["neat", "cppn"]),
        ({"model": {"crops": 5}}, ["crops", "5"]),
    ],
)
def test_bad_settings_are_one_sentence(layer, words):
    with pytest.raises(ConfigError) as error:
        build_config(layer)
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    for word in words:
        assert word in message


def test_config_files(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('seed = 4\n[encoding]\nname = "direct"\n')
    assert build_config(read_config(path)).seed == 4
    path.write_text("seed = ")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_config(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "none.toml")
