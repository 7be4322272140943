//! Nothing is missing in any catalogue, nothing in one of them only, and nothing is there that nobody says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

#[test]
fn every_catalogue_is_whole() {
    for (language, source) in SOURCES {
        Catalogue::parse(source).unwrap_or_else(|flaw| panic!("{}: {flaw}", language.tag()));
    }
    assert_eq!(SOURCES.map(|(language, _)| language), Language::ALL);
}

#[test]
fn all_languages_have_the_same_keys_and_places() {
    let first = &Words::of(Language::ALL[0]).catalogue;
    for language in Language::ALL {
        let other = &Words::of(language).catalogue;
        assert_eq!(first.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{}", language.tag());
        for key in first.keys() {
            assert_eq!(first.places(key), other.places(key), "{key} in {}", language.tag());
        }
    }
}

/// Every literal that stands after one of the words by which texts are asked for.
fn asked_for(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            asked_for(&path, found);
            continue;
        }
        let is_source =
            path.extension().is_some_and(|extension| ["rs", "html", "txt"].iter().any(|known| extension == *known));
        if !is_source || path.ends_with("pages/text/tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (call, ends) in
            [(".say(\"", &[""][..]), (".with(\"", &[""]), (".fill(\"", &[""]), (".count(\"", &[".one", ".many"])]
        {
            for rest in text.split(call).skip(1) {
                let key = rest.split('"').next().unwrap();
                found.extend(ends.iter().map(|end| format!("{key}{end}")));
            }
        }
    }
}

/// Keys that are put together of parts.
fn composed() -> BTreeSet<String> {
    let months = (1..=12).map(|month| format!("month.{month}"));
    let errors =
        super::super::error::KEYS.iter().flat_map(|key| ["title", "text"].map(|part| format!("error.{key}.{part}")));
    let mails = crate::mail::Mail::KEYS.iter().flat_map(|(key, has_link)| {
        let parts = ["subject", "lead", "after"].into_iter().chain(has_link.then_some("button"));
        parts.map(move |part| format!("mail.{key}.{part}"))
    });
    let done = super::super::account::DONE.iter().map(|(_, key)| (*key).to_owned());
    months.chain(errors).chain(mails).chain(done).chain(crate::console::texts()).collect()
}

#[test]
fn every_text_that_is_asked_for_is_there_and_no_other() {
    let mut asked = composed();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    asked_for(&root.join("src/pages"), &mut asked);
    asked_for(&root.join("src/mail"), &mut asked);
    asked_for(&root.join("src/console"), &mut asked);
    asked_for(&root.join("templates"), &mut asked);
    let there: BTreeSet<String> = Words::of(Language::English).catalogue.keys().map(str::to_owned).collect();
    assert_eq!(asked.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new(), "asked for and not there");
    assert_eq!(there.difference(&asked).collect::<Vec<_>>(), Vec::<&String>::new(), "there and never asked for");
}

#[test]
fn times_are_told_in_the_largest_unit_that_fits() {
    let now = Time::from_unix_ms(1_795_348_800_000);
    let told = |words: &Words, past: Span| words.ago(now - past, now);
    let (english, german) = (Words::of(Language::English), Words::of(Language::German));
    assert_eq!(told(english, Span::seconds(59)), "just now");
    assert_eq!(told(english, Span::seconds(60)), "1 minute ago");
    assert_eq!(told(english, Span::minutes(59)), "59 minutes ago");
    assert_eq!(told(german, Span::hours(1)), "vor 1 Stunde");
    assert_eq!(told(german, Span::days(29)), "vor 29 Tagen");
    assert_eq!(told(english, Span::days(31)), english.date(now - Span::days(31)));
    assert_eq!(english.date(Time::from_unix_ms(1_795_348_800_000)), "22 Nov 2026");
    assert_eq!(german.date(Time::from_unix_ms(1_795_348_800_000)), "22. Nov. 2026");
    assert_eq!(english.span(Span::minutes(15)), "15 minutes");
    assert_eq!(english.span(Span::hours(72)), "3 days");
    assert_eq!(english.span(Span::hours(1)), "1 hour");
}
