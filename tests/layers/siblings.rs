//! No modules that stand side by side in a crate import each other in a circle. A parent and its child may.
//!
//! Such a circle can only be read, tested and moved as a whole. What closes it is mostly one type or constant: give
//! that a module of its own, below the others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{root, rust_files, sources};

/// A module by its names from the root of the crate, which has none.
type Module = Vec<String>;
/// For each parent, which of its children import which of their siblings.
type Imports = BTreeMap<Module, BTreeMap<String, BTreeSet<String>>>;

#[test]
fn no_modules_side_by_side_import_each_other_in_a_circle() {
    let mut circles = BTreeSet::new();
    let packages = sources().into_keys().chain(["crates/testbed"]);
    for package in packages {
        let folder = if package == "src" { root().join(package) } else { root().join(package).join("src") };
        for (parent, imports) in imports_of(&modules(&folder)) {
            for circle in circles_of(&imports) {
                circles.insert(format!("{package} {}: {circle:?}", parent.join("::")));
            }
        }
    }
    assert_eq!(circles, BTreeSet::new());
}

#[test]
fn a_circle_is_found_however_it_is_imported() {
    let modules: BTreeMap<Module, String> = [
        ("", "mod a; mod b; use a::One; pub use crate::b::Two;"),
        ("a", "use crate::{c::Three, b::{self, Two}};"),
        ("a::inner", "// use super::super::c::Three;\nuse super::One;"),
        ("b", "fn b() -> super::c::deep::Four { }"),
        ("c", "use std::fmt;\n#[cfg(test)]\nmod tests { use crate::b::Two; }"),
        ("c::deep", "use super::super::a::One;"),
        ("d", "use crate::a::One;"),
    ]
    .into_iter()
    .map(|(name, text)| (name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect(), product(text)))
    .collect();

    let imports = imports_of(&modules);

    assert_eq!(circles_of(&imports[&Module::new()]), [["a", "b", "c"].map(str::to_owned).into()].into());
    assert!(!imports.contains_key(&vec!["a".to_owned()]));
}

/// The modules of a crate with the text of each, without comments and tests.
fn modules(folder: &Path) -> BTreeMap<Module, String> {
    let mut modules = BTreeMap::new();
    for path in rust_files(folder) {
        let relative = path.strip_prefix(folder).unwrap().with_extension("");
        let mut module: Module = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.iter().any(|name| ["tests", "testing", "contract"].contains(&name.as_str())) {
            continue;
        }
        module.pop_if(|last| ["lib", "main", "mod"].contains(&last.as_str()));
        let text: &mut String = modules.entry(module).or_default();
        text.push_str(&product(&std::fs::read_to_string(&path).unwrap()));
    }
    modules
}

fn product(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

fn imports_of(modules: &BTreeMap<Module, String>) -> Imports {
    let mut imports = Imports::new();
    for (module, text) in modules {
        for path in paths(text) {
            let Some(target) = target(module, &path, modules) else { continue };
            let shared = module.iter().zip(&target).take_while(|(one, other)| one == other).count();
            if let (Some(from), Some(to)) = (module.get(shared), target.get(shared)) {
                imports
                    .entry(module[..shared].to_vec())
                    .or_default()
                    .entry(from.clone())
                    .or_default()
                    .insert(to.clone());
            }
        }
    }
    imports
}

/// The module that a path leads to, or that has the item at its end.
fn target(module: &Module, path: &[String], modules: &BTreeMap<Module, String>) -> Option<Module> {
    let mut target = module.clone();
    for part in path {
        match part.as_str() {
            "crate" => target.clear(),
            "super" => drop(target.pop()),
            "self" => {}
            name => target.push(name.to_owned()),
        }
    }
    while !modules.contains_key(&target) {
        target.pop()?;
    }
    Some(target)
}

/// All paths in a text that begin with `crate`, `super` or `self`, those of `use` taken apart.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for head in ["crate::", "super::", "self::"] {
        for (at, _) in text.match_indices(head) {
            let is_head = !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_:$".contains(c));
            if is_head {
                tree(&text[at..], &mut Vec::new(), &mut paths);
            }
        }
    }
    paths
}

/// Takes a tree of `use` apart, or a plain path. Returns what stands behind it.
fn tree<'a>(text: &'a str, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = tree(rest, before, paths).trim_start();
            rest = match rest.strip_prefix(',') {
                Some(next) if !next.trim_start().starts_with('}') => next,
                Some(next) => return &next.trim_start()[1..],
                None => return rest.strip_prefix('}').unwrap_or(rest),
            };
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    before.push(name.to_owned());
    let rest = match rest.strip_prefix("::") {
        Some(next) if next.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '{') => {
            tree(next, before, paths)
        }
        Some(_) | None => {
            paths.push(before.clone());
            rest
        }
    };
    before.pop();
    rest
}

/// The circles among siblings: sets of modules each of which leads to each other one.
fn circles_of(imports: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<BTreeSet<String>> {
    let reached = |from: &String| {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&String> = imports.get(from).into_iter().flatten().collect();
        while let Some(module) = open.pop() {
            if reached.insert(module.clone()) {
                open.extend(imports.get(module).into_iter().flatten());
            }
        }
        reached
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = imports.keys().map(|module| (module, reached(module))).collect();
    let circle = |module: &String| -> BTreeSet<String> {
        let is_back = |other: &&String| reached.get(*other).is_some_and(|reached| reached.contains(module));
        reached[module].iter().filter(is_back).cloned().collect()
    };
    imports.keys().map(circle).filter(|circle| circle.len() > 1).collect()
}
