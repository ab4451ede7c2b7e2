//! What `pub use` exports again, and modules whose file is named.

use std::path::PathBuf;

use syn::{Attribute, Expr, Lit, Meta, UseTree};

use crate::names::Export;
use crate::visibility::public;

/// The leaves of a `pub use` in `module`, less those that rustdoc does not show as items.
pub(crate) fn exports(item: &syn::ItemUse, module: &[String]) -> Vec<Export> {
    let mut found = Vec::new();
    if public(&item.vis)
        && item.leading_colon.is_none()
        && !says(&item.attrs, "hidden")
        && !says(&item.attrs, "no_inline")
    {
        let inline = says(&item.attrs, "inline");
        let mut leaf = |path: &[String], name: Option<String>| {
            found.push(Export { module: module.into(), path: path.into(), name, inline });
        };
        leaves(&item.tree, &mut Vec::new(), &mut leaf);
    }
    found
}

fn leaves(tree: &UseTree, path: &mut Vec<String>, leaf: &mut impl FnMut(&[String], Option<String>)) {
    let depth = path.len();
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            leaves(&tree.tree, path, leaf);
        }
        UseTree::Name(tree) if tree.ident == "self" => leaf(path, path.last().cloned()),
        UseTree::Name(tree) => {
            path.push(tree.ident.to_string());
            leaf(path, path.last().cloned());
        }
        UseTree::Rename(tree) if tree.rename == "_" => {}
        UseTree::Rename(tree) => {
            if tree.ident != "self" {
                path.push(tree.ident.to_string());
            }
            leaf(path, Some(tree.rename.to_string()));
        }
        UseTree::Glob(_) => leaf(path, None),
        UseTree::Group(tree) => tree.items.iter().for_each(|tree| leaves(tree, path, leaf)),
    }
    path.truncate(depth);
}

/// The file that a `#[path]` names for the module.
pub(crate) fn moved_to(item: &syn::ItemMod) -> Option<PathBuf> {
    item.attrs.iter().filter(|attr| attr.path().is_ident("path")).find_map(|attr| {
        let Meta::NameValue(value) = &attr.meta else { return None };
        let Expr::Lit(literal) = &value.value else { return None };
        let Lit::Str(file) = &literal.lit else { return None };
        Some(PathBuf::from(file.value()))
    })
}

/// Whether there is `#[doc(word)]`.
fn says(attrs: &[Attribute], word: &str) -> bool {
    attrs.iter().any(|attr| {
        let Meta::List(list) = &attr.meta else { return false };
        list.path.is_ident("doc") && list.tokens.to_string().split(',').any(|part| part.trim() == word)
    })
}
