"""The providers that `connect` knows: the address of each, the name of its key, where to get one.

All use the same protocol, so a new provider is a new entry in this table. Keys are looked for in its order.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """An OpenAI-compatible endpoint.

    key_name: the environment variable or Colab secret that holds the key; empty if it needs none.
    model: the default. keys_page: the web page where one gets a key, or the program itself.
    """

    name: str
    base_url: str
    key_name: str
    model: str
    keys_page: str


PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider(
            "nebius",
            "https://api.tokenfactory.nebius.com/v1/",
            "NEBIUS_API_KEY",
            "meta-llama/Llama-3.3-70B-Instruct",
            "https://tokenfactory.nebius.com",
        ),
        Provider(
            "openai",
            "https://api.openai.com/v1/",
            "OPENAI_API_KEY",
            "gpt-4.1-mini",
            "https://platform.openai.com/api-keys",
        ),
        Provider(
            "openrouter",
            "https://openrouter.ai/api/v1/",
            "OPENROUTER_API_KEY",
            "meta-llama/llama-3.3-70b-instruct",
            "https://openrouter.ai/keys",
        ),
        Provider(
            "groq",
            "https://api.groq.com/openai/v1/",
            "GROQ_API_KEY",
            "llama-3.3-70b-versatile",
            "https://console.groq.com/keys",
        ),
        Provider(
            "together",
            "https://api.together.xyz/v1/",
            "TOGETHER_API_KEY",
            "meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "https://api.together.ai/settings/api-keys",
        ),
        Provider(
            "mistral",
            "https://api.mistral.ai/v1/",
            "MISTRAL_API_KEY",
            "mistral-small-latest",
            "https://console.mistral.ai/api-keys",
        ),
        Provider(
            "ollama",
            "http://localhost:11434/v1/",
            "",
            "llama3.2",
            "https://ollama.com/download",
        ),
    )
}
