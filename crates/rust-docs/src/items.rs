//! The documented public items of one source file.

use proc_macro2::TokenStream;
use quote::ToTokens;
use rustc_hash::FxHashSet;
use syn::{Attribute, Expr, ImplItem, Item, Lit, Meta, TraitItem, Type};

use crate::exports::{exports, moved_to};
use crate::names::Declared;
use crate::outline::outline;
use crate::visibility::public;
use crate::{ItemKind, signature};

/// A documented public item.
///
/// ```
/// use rust_docs::{DocItem, ItemKind};
///
/// let item = DocItem {
///     kind: ItemKind::Function,
///     path: vec!["io".into(), "read_line".into()],
///     signature: "from R -> Result usize R Buf Read".into(),
///     doc: "Reads one line.\n\nBlocks until there is one.".into(),
/// };
/// assert_eq!(format!("{} {}", item.kind, item.path.join("::")), "function io::read_line");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocItem {
    /// What it is.
    pub kind: ItemKind,
    /// Where it is defined: modules below the crate's root, then the type or trait it belongs to, then its name. Its id has
    /// the path at which rustdoc shows it, which may be another.
    pub path: Vec<String>,
    /// Arguments, result and bounds of a function, public fields of a struct, the type of a constant, in plain words; 48
    /// words at most.
    pub signature: String,
    /// Its doc comment as it is written, Markdown with its code, less the common indentation.
    pub doc: String,
}

/// What one file holds.
#[derive(Debug, Default)]
pub(crate) struct FileItems {
    pub(crate) items: Vec<DocItem>,
    /// Modules in other files that this one declares to be hidden or for tests only.
    pub(crate) hidden_modules: Vec<Vec<String>>,
    pub(crate) declared: Declared,
}

/// The documented public items of a file that is the module `module`; `None` if the file is no Rust.
///
/// An item is public if it is `pub` (not `pub(crate)`), whether or not its module is: private modules' items are mostly
/// exported again. Items of trait implementations, fields, and what is `#[doc(hidden)]` or for tests are left out.
pub(crate) fn items(source: &str, module: &[String]) -> Option<FileItems> {
    let file = outline(source)?;
    let mut walk = Walk { scope: module.to_vec(), file_depth: module.len(), found: FileItems::default() };
    if !is_hidden(&file.attrs) {
        let kind = if module.is_empty() { ItemKind::Crate } else { ItemKind::Module };
        walk.push_scope(kind, &file.attrs);
        walk.items(&file.items);
    }
    Some(walk.found)
}

struct Walk {
    scope: Vec<String>,
    /// How many modules are around the file.
    file_depth: usize,
    found: FileItems,
}

impl Walk {
    fn items(&mut self, items: &[Item]) {
        let private = private_types(items);
        for item in items {
            self.item(item, &private);
        }
    }

    fn item(&mut self, item: &Item, private: &FxHashSet<String>) {
        self.declare(item);
        if is_hidden(attributes(item)) {
            if let Item::Mod(module) = item {
                self.found.hidden_modules.push(self.below(&module.ident.to_string()));
            }
            return;
        }
        match item {
            Item::Fn(item) if public(&item.vis) => {
                self.push(ItemKind::Function, &item.sig.ident, &item.attrs, signature::function(&item.sig));
            }
            Item::Struct(item) if public(&item.vis) => {
                self.push(ItemKind::Struct, &item.ident, &item.attrs, signature::public_fields(&item.fields));
            }
            Item::Union(item) if public(&item.vis) => {
                self.push(ItemKind::Union, &item.ident, &item.attrs, signature::public_fields(&item.fields.named));
            }
            Item::Enum(item) if public(&item.vis) => self.enumeration(item),
            Item::Trait(item) if public(&item.vis) => self.trait_definition(item),
            Item::TraitAlias(item) if public(&item.vis) => {
                self.push(ItemKind::Trait, &item.ident, &item.attrs, signature::words(item.bounds.to_token_stream()));
            }
            Item::Type(item) if public(&item.vis) => {
                self.push(ItemKind::Type, &item.ident, &item.attrs, signature::words(item.ty.to_token_stream()));
            }
            Item::Const(item) if public(&item.vis) => {
                self.push(ItemKind::Constant, &item.ident, &item.attrs, signature::words(item.ty.to_token_stream()));
            }
            Item::Static(item) if public(&item.vis) => {
                self.push(ItemKind::Static, &item.ident, &item.attrs, signature::words(item.ty.to_token_stream()));
            }
            Item::Mod(item) => self.module(item),
            Item::Macro(item) => self.macro_item(item),
            Item::Impl(item) => self.implementation(item, private),
            _ => {}
        }
    }

    /// Notes what the item says about names.
    fn declare(&mut self, item: &Item) {
        let name = match item {
            Item::Struct(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::TraitAlias(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Mod(item) => return self.declare_module(item),
            Item::Use(item) => return self.found.declared.exports.extend(exports(item, &self.scope)),
            _ => return,
        };
        let path = self.below(&name.to_string());
        self.found.declared.types.push(path);
    }

    fn declare_module(&mut self, item: &syn::ItemMod) {
        let path = self.below(&item.ident.to_string());
        let declared = &mut self.found.declared;
        // A file of an inline module lies in that module's folder.
        if let Some(file) = moved_to(item).filter(|_| self.scope.len() == self.file_depth) {
            declared.moved.push((path.clone(), file));
        }
        declared.modules.push((path, public(&item.vis)));
    }

    fn enumeration(&mut self, item: &syn::ItemEnum) {
        let names: TokenStream = item.variants.iter().map(|variant| variant.ident.to_token_stream()).collect();
        self.push(ItemKind::Enum, &item.ident, &item.attrs, signature::words(names));
        self.within(&item.ident.to_string(), |walk| {
            for variant in item.variants.iter().filter(|variant| !is_hidden(&variant.attrs)) {
                walk.push(
                    ItemKind::Variant,
                    &variant.ident,
                    &variant.attrs,
                    signature::variant_fields(&variant.fields),
                );
            }
        });
    }

    fn trait_definition(&mut self, item: &syn::ItemTrait) {
        let methods = item.items.iter().filter_map(|item| match item {
            TraitItem::Fn(method) => Some(method.sig.ident.to_token_stream()),
            _ => None,
        });
        let tokens = item.supertraits.to_token_stream().into_iter().chain(methods.flatten()).collect();
        self.push(ItemKind::Trait, &item.ident, &item.attrs, signature::words(tokens));
        self.within(&item.ident.to_string(), |walk| item.items.iter().for_each(|item| walk.trait_item(item)));
    }

    fn trait_item(&mut self, item: &TraitItem) {
        match item {
            TraitItem::Fn(item) if !is_hidden(&item.attrs) => {
                self.push(ItemKind::TraitMethod, &item.sig.ident, &item.attrs, signature::function(&item.sig));
            }
            TraitItem::Const(item) if !is_hidden(&item.attrs) => {
                self.push(
                    ItemKind::TraitConstant,
                    &item.ident,
                    &item.attrs,
                    signature::words(item.ty.to_token_stream()),
                );
            }
            TraitItem::Type(item) if !is_hidden(&item.attrs) => {
                self.push(
                    ItemKind::TraitType,
                    &item.ident,
                    &item.attrs,
                    signature::words(item.bounds.to_token_stream()),
                );
            }
            _ => {}
        }
    }

    fn implementation(&mut self, item: &syn::ItemImpl, private: &FxHashSet<String>) {
        let Some(owner) = type_name(&item.self_ty) else { return };
        if item.trait_.is_some() || private.contains(&owner) {
            return;
        }
        self.within(&owner, |walk| {
            for item in &item.items {
                match item {
                    ImplItem::Fn(item) if public(&item.vis) && !is_hidden(&item.attrs) => {
                        walk.push(ItemKind::Method, &item.sig.ident, &item.attrs, signature::function(&item.sig));
                    }
                    ImplItem::Const(item) if public(&item.vis) && !is_hidden(&item.attrs) => {
                        let signature = signature::words(item.ty.to_token_stream());
                        walk.push(ItemKind::Constant, &item.ident, &item.attrs, signature);
                    }
                    _ => {}
                }
            }
        });
    }

    fn module(&mut self, item: &syn::ItemMod) {
        self.within(&item.ident.to_string(), |walk| {
            if public(&item.vis) {
                walk.push_scope(ItemKind::Module, &item.attrs);
            }
            if let Some((_, items)) = &item.content {
                walk.items(items);
            }
        });
    }

    /// An exported macro, or the items that a call like `cfg_unix! { … }` wraps.
    fn macro_item(&mut self, item: &syn::ItemMacro) {
        match &item.ident {
            Some(name) if item.attrs.iter().any(|attr| attr.path().is_ident("macro_export")) => {
                let path = vec![name.to_string()];
                self.push_path(ItemKind::Macro, path, &item.attrs, String::new());
            }
            Some(_) => {}
            None => {
                if let Ok(file) = syn::parse2::<syn::File>(item.mac.tokens.clone()) {
                    self.items(&file.items);
                }
            }
        }
    }

    fn within(&mut self, name: &str, visit: impl FnOnce(&mut Self)) {
        self.scope.push(name.to_owned());
        visit(self);
        self.scope.pop();
    }

    fn below(&self, name: &str) -> Vec<String> {
        self.scope.iter().map(String::as_str).chain([name]).map(str::to_owned).collect()
    }

    fn push(&mut self, kind: ItemKind, name: &syn::Ident, attrs: &[Attribute], signature: String) {
        let path = self.below(&name.to_string());
        self.push_path(kind, path, attrs, signature);
    }

    fn push_scope(&mut self, kind: ItemKind, attrs: &[Attribute]) {
        self.push_path(kind, self.scope.clone(), attrs, String::new());
    }

    fn push_path(&mut self, kind: ItemKind, path: Vec<String>, attrs: &[Attribute], signature: String) {
        let doc = doc(attrs);
        if !doc.trim().is_empty() {
            self.found.items.push(DocItem { kind, path, signature, doc });
        }
    }
}

/// The types that are declared here without `pub`: their methods are nobody's business.
fn private_types(items: &[Item]) -> FxHashSet<String> {
    let private = items.iter().filter_map(|item| match item {
        Item::Struct(item) if !public(&item.vis) => Some(&item.ident),
        Item::Enum(item) if !public(&item.vis) => Some(&item.ident),
        Item::Union(item) if !public(&item.vis) => Some(&item.ident),
        _ => None,
    });
    private.map(ToString::to_string).collect()
}

fn type_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        Type::Reference(reference) => type_name(&reference.elem),
        Type::Group(group) => type_name(&group.elem),
        Type::Paren(paren) => type_name(&paren.elem),
        _ => None,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether the item is `#[doc(hidden)]` or compiled for tests only.
fn is_hidden(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let Meta::List(list) = &attr.meta else { return false };
        let content = || list.tokens.to_string().replace(' ', "");
        (list.path.is_ident("doc") && content().split(',').any(|part| part == "hidden"))
            || (list.path.is_ident("cfg") && matches!(content().as_str(), "test" | "doctest"))
            || (list.path.is_ident("cfg")
                && content().strip_prefix("all(test").is_some_and(|rest| rest.starts_with(',')))
    })
}

/// The doc comment, its lines as written less the common indentation.
fn doc(attrs: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        if let Meta::NameValue(value) = &attr.meta
            && let Expr::Lit(literal) = &value.value
            && let Lit::Str(text) = &literal.lit
        {
            push_lines(&text.value(), &mut lines);
        }
    }
    let margin = |line: &String| line.len() - line.trim_start_matches(' ').len();
    let least = lines.iter().filter(|line| !line.trim().is_empty()).map(margin).min().unwrap_or(0);
    let cut: Vec<&str> = lines.iter().map(|line| line.get(least..).unwrap_or_default()).collect();
    cut.join("\n")
}

/// A `/** … */` comment may begin each line with a star.
fn push_lines(text: &str, lines: &mut Vec<String>) {
    let starred =
        text.contains('\n') && text.lines().skip(1).all(|line| line.trim().is_empty() || line.trim().starts_with('*'));
    for line in text.split('\n') {
        let line = line.trim_end_matches('\r');
        lines.push(if starred { line.trim_start().trim_start_matches('*').to_owned() } else { line.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<String> {
        let module = ["net".to_owned()];
        let items = items(source, &module).unwrap().items;
        items.iter().map(|item| format!("{} {}: {}", item.kind, item.path.join("::"), item.doc)).collect()
    }

    #[test]
    fn every_kind_of_documented_public_item_is_found() {
        let source = r#"
            //! Module.
            /// Function.
            pub fn f() {}
            /// Struct.
            pub struct S { /** Field. */ pub a: u8 }
            impl S {
                /// Constant of S.
                pub const C: u8 = 1;
                /// Method.
                pub fn m(&self) {}
            }
            /// Enum.
            pub enum E { /// Variant.
                V(u8) }
            /// Union.
            pub union U { a: u8 }
            /// Trait.
            pub trait T {
                /// Trait method.
                fn t(&self);
                /// Trait constant.
                const K: u8;
                /// Trait type.
                type A;
            }
            /// Type.
            pub type Y = u8;
            /// Constant.
            pub const X: u8 = 1;
            /// Static.
            pub static Z: u8 = 1;
            /// Macro.
            #[macro_export]
            macro_rules! mac { () => {} }
            /// Inner.
            pub mod inner { /// Deep.
                pub fn deep() {} }
            cfg_unix! { /// Wrapped.
                pub fn wrapped() {} }
        "#;
        let expected = [
            "module net: Module.",
            "function net::f: Function.",
            "struct net::S: Struct.",
            "constant net::S::C: Constant of S.",
            "method net::S::m: Method.",
            "enum net::E: Enum.",
            "variant net::E::V: Variant.",
            "union net::U: Union.",
            "trait net::T: Trait.",
            "trait method net::T::t: Trait method.",
            "trait constant net::T::K: Trait constant.",
            "trait type net::T::A: Trait type.",
            "type net::Y: Type.",
            "constant net::X: Constant.",
            "static net::Z: Static.",
            "macro mac: Macro.",
            "module net::inner: Inner.",
            "function net::inner::deep: Deep.",
            "function net::wrapped: Wrapped.",
        ];
        assert_eq!(found(source), expected);
    }

    #[test]
    fn private_hidden_and_test_items_are_left_out() {
        let source = r#"
            /// No.
            fn a() {}
            /// No.
            pub(crate) fn b() {}
            #[doc(hidden)] /// No.
            pub fn c() {}
            #[cfg(test)] mod tests { /// No.
                pub fn d() {} }
            #[cfg(all(test, unix))] /// No.
            pub fn e() {}
            struct P; impl P { /// No.
                pub fn f() {} }
            /// No.
            macro_rules! g { () => {} }
            pub struct Q; impl Clone for Q { /// No.
                fn clone(&self) -> Q { Q } }
            pub enum E { #[doc(hidden)] /// No.
                H }
            pub fn undocumented() {}
            #[cfg(not(test))] /// Yes.
            pub fn h() {}
            mod private { /// Yes.
                pub fn exported() {} }
        "#;
        assert_eq!(found(source), ["function net::h: Yes.", "function net::private::exported: Yes."]);
    }

    #[test]
    fn hidden_modules_in_other_files_are_named() {
        let source = "#[doc(hidden)] pub mod private; #[cfg(test)] mod check; pub mod open;";
        let hidden = items(source, &["net".to_owned()]).unwrap().hidden_modules;
        assert_eq!(hidden, [["net", "private"], ["net", "check"]]);
        assert!(items("#![cfg(test)] /// No.\npub fn f() {}", &[]).unwrap().items.is_empty());
    }

    #[test]
    fn all_forms_of_doc_comments_are_one_text() {
        let source = "/// One.\n///\n///     code\n#[doc = \" Two.\"]\npub fn a() {}\n/**\n * Three.\n *  Four.\n */\npub fn b() {}";
        let docs: Vec<String> = items(source, &[]).unwrap().items.into_iter().map(|item| item.doc).collect();
        assert_eq!(docs[0], "One.\n\n    code\nTwo.");
        assert_eq!(docs[1].trim(), "Three.\n Four.");
    }

    #[test]
    fn a_file_that_does_not_parse_has_no_items() {
        assert_eq!(items("pub fn (", &[]).map(|found| found.items), None);
    }
}
