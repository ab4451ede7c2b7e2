//! A source file without its function bodies, which are most of it and hold no documentation.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The file's items with empty function bodies; `None` if it is no Rust.
pub(crate) fn outline(source: &str) -> Option<syn::File> {
    let source = source.trim_start_matches('\u{feff}');
    let has_shebang = source.starts_with("#!") && !source[2..].trim_start().starts_with('[');
    let source = if has_shebang { source.split_once('\n')?.1 } else { source };
    syn::parse2(without_bodies(source.parse().ok()?)).ok()
}

/// What the first keyword of an item says about the braces that follow.
#[derive(Clone, Copy)]
enum Braces {
    /// A function's body.
    Body,
    /// More items.
    Items,
    /// Something else, to be kept.
    Other,
}

fn without_bodies(tokens: TokenStream) -> TokenStream {
    let mut braces = None;
    let outlined = tokens.into_iter().map(|token| match token {
        TokenTree::Ident(ident) => {
            braces = braces.or_else(|| keyword(&ident));
            TokenTree::Ident(ident)
        }
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => TokenTree::Group(match braces.take() {
            Some(Braces::Body) => Group::new(Delimiter::Brace, TokenStream::new()),
            Some(Braces::Items) => Group::new(Delimiter::Brace, without_bodies(group.stream())),
            Some(Braces::Other) | None => group,
        }),
        TokenTree::Punct(punct) => {
            if punct.as_char() == ';' {
                braces = None;
            }
            TokenTree::Punct(punct)
        }
        other => other,
    });
    outlined.collect()
}

fn keyword(ident: &proc_macro2::Ident) -> Option<Braces> {
    const KEYWORDS: [(&str, Braces); 6] = [
        ("fn", Braces::Body),
        ("impl", Braces::Items),
        ("mod", Braces::Items),
        ("trait", Braces::Items),
        ("struct", Braces::Other),
        ("enum", Braces::Other),
    ];
    KEYWORDS.iter().find(|(keyword, _)| ident == keyword).map(|&(_, braces)| braces)
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;

    use super::*;

    fn outlined(source: &str) -> String {
        outline(source).unwrap().to_token_stream().to_string().replace(' ', "")
    }

    #[test]
    fn only_function_bodies_are_emptied() {
        let cases = [
            ("pub const fn f() -> u8 { 1 }", "pubconstfnf()->u8{}"),
            ("mod m { fn f() { 1; } struct S { f: fn() } }", "modm{fnf(){}structS{f:fn()}}"),
            ("impl T for fn() { fn f() { 1; } }", "implTforfn(){fnf(){}}"),
            ("trait T { fn f() { 1; } fn g(); const C: u8 = { 1 }; }", "traitT{fnf(){}fng();constC:u8={1};}"),
            ("fn f(x: impl T) { 1; } enum E { A { b: u8 } }", "fnf(x:implT){}enumE{A{b:u8}}"),
            ("use a::{b, c}; fn f() -> A<{ N }> { 1; }", "usea::{b,c};fnf()->A<{}>{1;}"),
        ];
        for (source, expected) in cases {
            assert_eq!(outlined(source), expected, "{source}");
        }
    }

    #[test]
    fn a_shebang_and_a_byte_order_mark_are_skipped() {
        assert_eq!(outlined("\u{feff}#!/usr/bin/env run\nfn f() {}"), "fnf(){}");
        assert_eq!(outlined("#![allow(x)]\nfn f() {}"), "#![allow(x)]fnf(){}");
    }

    #[test]
    fn what_is_no_rust_has_no_outline() {
        assert!(outline("fn f( {}").is_none());
        assert!(outline("fn f }").is_none());
    }
}
