//! The forms that make a thing and change one.
//!
//! A form that is sent twice makes one thing: it carries the `Idempotency-Key` that was drawn with it. A change counts for
//! what was seen: it carries the entity tag.

use admit_core::form::Form;
use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::choices::Choices;
use super::field::{Control, Drawn, Source, Unreadable};
use super::operator::Operator;
use super::place::Place;
use super::resource::{Change, Field, When};
use super::shell::Shell;
use super::told::Told;
use super::{attempt, detail, made};
use crate::http::problem::Problem;
use crate::manage::inside::Ask;
use crate::pages::form::Sent;
use crate::pages::visit::go;
use crate::pages::{Frame, page};

#[derive(Template)]
#[template(path = "console/form.html")]
struct FormPage {
    frame: Frame,
    shell: Shell,
    title: String,
    action: String,
    back: String,
    attempt: String,
    etag: String,
    fields: Vec<Drawn>,
    button: &'static str,
    told: Told,
}

/// `GET /console/realms/{realm}/{kind}/new`
pub async fn get_new(operator: Operator, place: Place) -> Result<Response, Problem> {
    must_be_made(&operator, &place)?;
    let choices = Choices::read(&operator, place.realm.as_deref(), place.resource.fields).await?;
    let form = Draft { place: &place, item: &Value::Null, etag: "", choices: &choices };
    form.show(&operator, Source::Item(&Value::Null), Told::default(), StatusCode::OK).await
}

/// `POST /console/realms/{realm}/{kind}/new`
pub async fn post_new(operator: Operator, place: Place, Sent(form): Sent) -> Result<Response, Problem> {
    operator.judge(&form)?;
    must_be_made(&operator, &place)?;
    let resource = place.resource;
    let choices = Choices::read(&operator, place.realm.as_deref(), resource.fields).await?;
    let draft = Draft { place: &place, item: &Value::Null, etag: "", choices: &choices };
    let body = match fill(resource.fields, &form, &Value::Null, &choices, Change::Put) {
        Ok(body) => body,
        Err(unreadable) => return draft.again(&operator, &form, &unreadable).await,
    };
    let ask = Ask::new(Method::POST, &place.segments(None)).body(body).once(form.text("attempt"));
    let answer = operator.ask(ask).await?;
    if !answer.status.is_success() {
        return draft.show(&operator, Source::Form(&form), Told::of(&answer), answer.status).await;
    }
    let id = answer.json[resource.id].as_str().unwrap_or_default();
    match made::Shown::of(&answer, operator.visit.words) {
        Some(secret) => made::show(&operator, &place, id, secret, StatusCode::CREATED).await,
        None => Ok(go(&format!("{}?done=made", place.one(id)))),
    }
}

/// `GET /console/realms/{realm}/{kind}/{id}/edit`
pub async fn get_edit(operator: Operator, place: Place) -> Result<Response, Problem> {
    let seen = operator.ask(Ask::get(&place.segments(Some(place.id()?)))).await?;
    if !seen.status.is_success() {
        return detail::refused(&operator, &place, &seen).await;
    }
    must_be_changed(&operator, &place)?;
    let choices = Choices::read(&operator, place.realm.as_deref(), place.resource.fields).await?;
    let draft = Draft { place: &place, item: &seen.json, etag: &seen.etag, choices: &choices };
    draft.show(&operator, Source::Item(&seen.json), Told::default(), StatusCode::OK).await
}

/// `POST /console/realms/{realm}/{kind}/{id}/edit`
pub async fn post_edit(operator: Operator, place: Place, Sent(form): Sent) -> Result<Response, Problem> {
    operator.judge(&form)?;
    let (resource, id) = (place.resource, place.id()?);
    let seen = operator.ask(Ask::get(&place.segments(Some(id)))).await?;
    if !seen.status.is_success() {
        return detail::refused(&operator, &place, &seen).await;
    }
    must_be_changed(&operator, &place)?;
    let choices = Choices::read(&operator, place.realm.as_deref(), resource.fields).await?;
    let draft = Draft { place: &place, item: &seen.json, etag: form.text("etag"), choices: &choices };
    let body = match fill(&asked(resource.fields, true), &form, &seen.json, &choices, resource.change) {
        Ok(body) => body,
        Err(unreadable) => return draft.again(&operator, &form, &unreadable).await,
    };
    let method = if resource.change == Change::Put { Method::PUT } else { Method::PATCH };
    let ask = Ask::new(method, &place.segments(Some(id))).body(body).if_match(form.text("etag"));
    let answer = operator.ask(ask).await?;
    if !answer.status.is_success() {
        return draft.show(&operator, Source::Form(&form), Told::of(&answer), answer.status).await;
    }
    Ok(go(&format!("{}?done=changed", place.one(id))))
}

/// What the fields of a form say together.
pub fn fill<'f>(
    fields: impl IntoIterator<Item = &'f (impl std::borrow::Borrow<Field> + 'f)>,
    form: &Form,
    item: &Value,
    choices: &Choices,
    change: Change,
) -> Result<Value, Unreadable> {
    let mut body = json!({});
    for field in fields {
        field.borrow().fill(&mut body, form, item, choices, change)?;
    }
    Ok(body)
}

/// The fields of a form: some are asked for once, where the thing is made.
fn asked(fields: &'static [Field], is_there: bool) -> Vec<&'static Field> {
    fields.iter().filter(|field| !is_there || field.when == When::Always).collect()
}

/// A form with what it is about.
struct Draft<'d> {
    place: &'d Place,
    /// The thing as it is; null where one is to be made.
    item: &'d Value,
    etag: &'d str,
    choices: &'d Choices,
}

impl Draft<'_> {
    /// The form once more, with what was typed.
    async fn again(&self, operator: &Operator, form: &Form, why: &Unreadable) -> Result<Response, Problem> {
        let told = Told::unreadable(why, operator.visit.words);
        self.show(operator, Source::Form(form), told, StatusCode::UNPROCESSABLE_ENTITY).await
    }

    async fn show(
        &self,
        operator: &Operator,
        from: Source<'_>,
        told: Told,
        status: StatusCode,
    ) -> Result<Response, Problem> {
        let (place, resource) = (self.place, self.place.resource);
        let (frame, shell) = Shell::of(operator, place.judged_in(), place.section()).await?;
        let words = frame.words;
        let is_there = !self.item.is_null();
        let draw = |field: &Field| {
            let mut drawn = field.draw(resource.fields, from, self.item, self.choices, words);
            told.mark(field, &mut drawn);
            drawn
        };
        let fields = asked(resource.fields, is_there).into_iter().map(draw).collect();
        let (action, back, title) = match is_there {
            true => {
                let one = place.one(place.id()?);
                (format!("{one}/edit"), one, resource.call(self.item))
            }
            false => (place.new_one(), place.list(), words.say(&format!("console.{}.new", resource.name)).to_owned()),
        };
        // What was begun is gone on with: the same attempt, and the same thing seen.
        let attempt = match from {
            Source::Form(form) if !told.text.is_empty() && told.is_english => next_attempt(operator, form, status),
            Source::Form(form) => form.text("attempt").to_owned(),
            Source::Item(_) => attempt(operator),
        };
        let button = if is_there { words.say("console.save") } else { words.say("console.create") };
        let etag = self.etag.to_owned();
        let shown = FormPage { frame, shell, title, action, back, attempt, etag, fields, button, told };
        Ok(page(status, &shown))
    }
}

/// Another body is another attempt, unless what went wrong is that this one was made before.
fn next_attempt(operator: &Operator, form: &Form, status: StatusCode) -> String {
    if status == StatusCode::CONFLICT { form.text("attempt").to_owned() } else { attempt(operator) }
}

fn must_be_made(operator: &Operator, place: &Place) -> Result<(), Problem> {
    if !place.resource.is_made {
        return Err(Problem::new(404, "not_found", "There is nothing at this path."));
    }
    must_have(operator, place, place.scope_to_make())
}

fn must_be_changed(operator: &Operator, place: &Place) -> Result<(), Problem> {
    if place.resource.change == Change::Never {
        return Err(Problem::new(404, "not_found", "There is nothing at this path."));
    }
    must_have(operator, place, place.resource.write)
}

/// A form that could not be sent is not shown.
fn must_have(operator: &Operator, place: &Place, scope: &'static str) -> Result<(), Problem> {
    if operator.may(place.judged_in(), scope) {
        return Ok(());
    }
    Err(Problem::new(403, "insufficient_scope", format!("This needs {scope}, which you do not hold.")))
}
