//! The table against itself, and against `docs/keys.md`.

use super::*;

/// The page `docs/keys.md`.
fn documentation() -> String {
    let mut page = String::from(
        "# Keys of the console\n\nGenerated from `tui/src/console/keymap.rs`; a test compares. `?` shows the same table.\n",
    );
    for scope in Scope::ALL {
        page.push_str(&format!("\n## {}\n\n| keys | what they do |\n| --- | --- |\n", scope.title()));
        for binding in BINDINGS.iter().filter(|binding| binding.scope == *scope) {
            let keys: Vec<String> = binding.keys.iter().map(|key| format!("`{key}`")).collect();
            page.push_str(&format!("| {} | {} |\n", keys.join(" "), binding.help));
        }
    }
    page
}

#[test]
fn no_key_means_two_things_on_one_screen() {
    let screens = [
        Scope::Queue,
        Scope::Detail,
        Scope::Audit,
        Scope::Record,
        Scope::Anchors,
        Scope::Anchor,
        Scope::Verification,
        Scope::Checkpoint,
        Scope::Proof,
        Scope::TakeBack,
        Scope::Certificates,
        Scope::Certificate,
        Scope::Alerts,
        Scope::Alert,
        Scope::Review,
        Scope::Deciding,
        Scope::Signing,
    ];
    for screen in screens {
        let mut seen = Vec::new();
        for key in BINDINGS.iter().filter(|b| holds_on(b.scope, screen)).flat_map(|b| b.keys) {
            assert!(!seen.contains(key), "{key} twice on {screen:?}");
            seen.push(*key);
        }
    }
}

#[test]
fn every_binding_has_a_place_in_the_help() {
    for binding in BINDINGS {
        assert!(Scope::ALL.contains(&binding.scope), "{:?}", binding.command);
    }
}

#[test]
fn the_documentation_is_this_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/keys.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, documentation()).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page == documentation(), "docs/keys.md differs from the keymap: run this test with UPDATE_DOCS=1");
}
