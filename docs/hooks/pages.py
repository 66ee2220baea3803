"""Pages that nobody writes twice: the reference from `__all__`, notebooks, and documents of the project's root.

A link that leads out of `docs/` is followed into the project: to the page made of that file, to a copy of a picture,
or, where the file is not a page, to its name alone. A link to a file that does not exist stays: the build fails.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the tests read this file where MkDocs is not installed
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
DOCUMENTS = {  # of the project, as pages
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/NOTES.md": "notes.md",
    "notebooks/README.md": "notebooks/index.md",
}
OPTIONAL = ("tfvae.tables", "tfvae.sklearn")  # public, and not imported by `import tfvae`
METHODS = (  # of a VAE, in the order in which they are used
    "compile adapt fit evaluate predict encode decode prior_of joint_log_prob log_prob estimate_log_prob elbo infer "
    "impute classify sample reconstruct preprocess save export"
).split()
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:)([^)#\s]+)(#[^)\s]*)?\)")


def exported(module: str) -> list[str]:
    """Returns the names in a module's `__all__`, read from its source."""
    tree = ast.parse(source(module).read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def source(module: str) -> Path:
    """Returns the file of a module, `tfvae.seeds` and `tfvae.sets` being those of the core."""
    module = re.sub(r"^tfvae\.(seeds|sets)$", r"tfvae.core.\1", module)
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def public_modules() -> list[str]:
    """Returns the dotted names of the modules that a user imports names from, each of which has a page."""
    found = [f"tfvae.{name}" for name in exported("tfvae") if is_module("tfvae", name)]
    return sorted({"tfvae", *found, *OPTIONAL})


def is_module(module: str, name: str) -> bool:
    """Tells whether a public name of a package is a module of its own, and not a function that is called like one."""
    return source(f"{module}.{name}").exists() and name not in ("export", "refine", "fit")


def documented() -> list[tuple[str, str]]:
    """Returns all public names, each with the module that it is imported from."""
    return [(m, n) for m in public_modules() for n in exported(m) if not n.startswith("__") and not is_module(m, n)]


def reference() -> Iterator[tuple[str, str, str]]:
    """Yields path, title and text of the pages of the reference."""
    for module in public_modules():
        names = [name for owner, name in documented() if owner == module]
        hidden = [name for name in names if source(f"{module}.{name}").exists()]  # behind a file of the same name
        single = names if module == "tfvae" else hidden
        text = "" if module == "tfvae" else directive(module, heading=False, members=sorted({*names} - {*hidden}))
        for name in single:
            options = {"inherited_members": True, "members": METHODS} if name == "VAE" else {}
            text += directive(f"{module}.{name}.{name}" if name in hidden else f"{module}.{name}", **options)
        yield f"reference/{module}.md", module, f"# {module}\n{text}"


def directive(name: str, heading: bool = True, **options: Any) -> str:
    """Returns the lines that mkdocstrings replaces by what a docstring says."""
    options |= {} if heading else {"show_root_heading": False}
    return f"\n::: {name}\n    options: {json.dumps(options)}\n"


def notebook(path: Path) -> str:
    """Returns a notebook as Markdown: its text, its code, and what its cells printed and drew."""
    found = []
    for cell in json.loads(path.read_text())["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            found.append(of_a_page(text))
        elif text.strip():
            found.append(f"```py\n{text}\n```")
            found += [shown for output in cell.get("outputs", []) for shown in drawn(output)]
    return "\n\n".join(found) + "\n"


def of_a_page(text: str) -> str:
    """Returns a notebook's text with equations as the other pages have them, and without pictures from elsewhere."""
    text = re.sub(r"!\[([^\]]*)\]\(https?://[^)]*\)", r"\1", text)
    text = re.sub(r"\$\$(.+?)\$\$", lambda m: f"\n```math\n{m[1].strip()}\n```\n", text, flags=re.DOTALL)
    parts = re.split(r"(^```.*?^```$|`[^`\n]+`)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(p if i % 2 else re.sub(r"\$([^$\n]+)\$", r"$`\1`$", p) for i, p in enumerate(parts))


def drawn(output: dict[str, Any]) -> Iterator[str]:
    """Yields what a cell's output shows, as Markdown."""
    data = output.get("data", {})
    if "image/png" in data:
        yield f'<img alt="output of the cell above" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">'
    else:
        text = "".join(output.get("text", data.get("text/plain", "")))
        if text.strip():
            yield f"```text\n{text.rstrip()}\n```"


def generated() -> dict[str, tuple[str, str]]:
    """Returns path in the site to title and text, of all pages that are made of other files."""
    found = {path: (title, text) for path, title, text in reference()}
    for path in sorted(ROOT.glob("notebooks/*.ipynb")):
        text = notebook(path)
        title = re.search(r"^# (.+)$", text, re.MULTILINE)
        found[f"notebooks/{path.stem}.md"] = (title[1] if title else path.stem, text)
    for origin, path in DOCUMENTS.items():
        if (ROOT / origin).exists() and not (ROOT / "docs" / path).exists():
            found[path] = ("", (ROOT / origin).read_text())
    return found


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lists the generated pages where the navigation has an empty place for them."""
    pages = generated()
    for item in config.nav:
        for title, children in item.items():
            if children == []:
                found = {p: t for p, (t, _) in pages.items() if p.startswith(f"{title.lower()}/")}
                children += [{t: p} if t else p for p, t in sorted(found.items(), key=lambda item: item[1] != "")]
    config.watch += [str(ROOT / name) for name in ("tfvae", "notebooks", *DOCUMENTS)]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages and the pictures of the results."""
    from mkdocs.structure.files import File

    for path, (_, text) in generated().items():
        files.append(File.generated(config, path, content=text))
    for picture in sorted(ROOT.glob("benchmarks/results/**/*.png")):
        files.append(File.generated(config, str(picture.relative_to(ROOT)), abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links into the project to links within the site."""
    here = origin(page.file.src_uri)

    def within(link: re.Match) -> str:
        picture, text, target, anchor = link.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
        to = site_path(path, files)
        if to:
            return f"{picture}[{text}]({posixpath.relpath(to, posixpath.dirname(page.file.src_uri))}{anchor or ''})"
        return text if (ROOT / path).exists() or awaited(path) else link[0]

    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if i % 2 else LINK.sub(within, part) for i, part in enumerate(parts))


def origin(path: str) -> str:
    """Returns the path in the project of the file that a page is made of."""
    made = {page: document for document, page in DOCUMENTS.items() if page != "index.md"}
    notebook = path.removesuffix(".md") + ".ipynb" if path.startswith("notebooks/") else f"docs/{path}"
    return made.get(path, notebook)


def site_path(path: str, files: Files) -> str | None:
    """Returns the path in the site of a file of the project, if it is there."""
    found = DOCUMENTS.get(path, path.removeprefix("docs/"))
    found = found.removesuffix(".ipynb") + ".md" if path.endswith(".ipynb") else found
    return found if files.get_file_from_path(found) else None


def awaited(path: str) -> bool:
    """Tells whether a link leads to a notebook that is not there yet; once twelve are, each must be there."""
    return path.startswith("notebooks/") and len(list(ROOT.glob("notebooks/[0-9]*.ipynb"))) < 12
