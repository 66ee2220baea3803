"""Packaging of tfvae: `pip install -e .[dev] -c constraints.txt` gives the versions that were tested."""

from pathlib import Path

from setuptools import find_packages, setup

PLOTS = ["matplotlib"]
TABLES = ["pandas>=2.2", "pyarrow"]  # frames; CSV and Parquet, strictly and block by block
NOTEBOOKS = [*PLOTS, "ipykernel", "nbclient", "nbformat"]
DOCS = ["latex2mathml", "mkdocs>=1.6,<2", "mkdocs-material", "mkdocstrings[python]", "ruff"]  # ruff: signatures in lines
TOOLS = ["coverage>=7.10", "pytest", "pytest-xdist"]
TEST = [*PLOTS, *TABLES, *TOOLS, "tensorboard"]  # tensorboard: its callback is tested

setup(
    name="tfvae",
    version="0.2.0.dev0",
    description="Variational autoencoders for people who live in Keras",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=["variational autoencoder", "VAE", "IWAE", "Keras", "TensorFlow Probability", "normalizing flows"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["tfvae", "tfvae.*", "tfvae_cli"]),
    package_data={"tfvae": ["py.typed"], "tfvae_cli": ["table.json"]},
    python_requires=">=3.11,<3.14",
    install_requires=[
        "tensorflow>=2.21,<2.22",
        "tensorflow-probability[tf]>=0.25,<0.26",  # [tf] brings tf-keras, without which it cannot be imported
        "keras>=3.15,<4",
        "tensorflow-datasets",
        "importlib_resources",  # tensorflow-datasets 4.9.10 imports it, but asks for it on Pythons before 3.9 only
        "requests",  # asks a data set's host once, where tensorflow-datasets would try for minutes
        "numpy",
        "scikit-learn",  # the embedded handwritten digits, the classifiers of the evaluation
        "scipy",  # distances and tests of the evaluation
        "threadpoolctl",  # scikit-learn's own; holds its boosted trees to one thread
    ],
    extras_require={
        "plots": PLOTS,
        "tables": TABLES,
        "notebooks": NOTEBOOKS,
        "docs": DOCS,
        "test": TEST,
        "dev": [*NOTEBOOKS, *TEST, "mypy", "pre-commit", "ruff"],
    },
    entry_points={"console_scripts": ["tfvae = tfvae_cli:main"]},
)
