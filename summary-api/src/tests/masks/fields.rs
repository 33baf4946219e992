//! GraphQL queries that select every field of the schema, made from the schema itself.

use serde_json::Value;

/// The fields of queries with their arguments.
pub(super) const QUERIES: [(&str, &str); 12] = [
    (
        "sessions",
        r#"sessions(first: 3, states: ["open", "matched", "held_exit", "unmatched_exit", "unmatched_entry", "void"])"#,
    ),
    ("sessionsOfPlate", r#"sessions(first: 1, vehiclePlate: "{plate}")"#),
    ("session", r#"session(id: "{id}")"#),
    ("lots", "lots(first: 2)"),
    ("lot", r#"lot(id: "{lot}")"#),
    ("changes", "changes(first: 8)"),
    ("statistics", r#"statistics(lotId: "{lot}")"#),
    ("gates", "gates"),
    ("eventExplanations", r#"eventExplanations(id: "{event}")"#),
    ("eventTrails", r#"eventTrails(id: "{event}")"#),
    ("explanations", r#"explanations(vehiclePlate: "{plate}", first: 1)"#),
    ("status", "status"),
];

/// Asks for what [`Schema`] knows.
const INTROSPECTION: &str = "{ __schema { types { name kind fields { name type { name kind ofType { name kind ofType { name \
                             kind ofType { name kind ofType { name kind } } } } } } } } }";

/// The object types of the schema, with their fields and the types of these.
pub(super) struct Schema(Vec<(String, Vec<(String, String)>)>);

impl Schema {
    pub(super) async fn of(canary: &super::Canary) -> Self {
        let answer = canary.site.graphql(INTROSPECTION, &canary.token).await;
        let types = answer["data"]["__schema"]["types"].as_array().unwrap();
        let objects = types.iter().filter(|one| one["kind"] == "OBJECT");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let field = |field: &Value| (text(&field["name"]), innermost(&field["type"]));
        let object = |one: &Value| (text(&one["name"]), one["fields"].as_array().unwrap().iter().map(field).collect());
        Self(objects.map(object).filter(|(name, _): &(String, _)| !name.starts_with("__")).collect())
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = &(String, Vec<(String, String)>)> {
        self.0.iter()
    }

    pub(super) fn fields(&self, object: &str) -> Option<&[(String, String)]> {
        self.0.iter().find(|(name, _)| name == object).map(|(_, fields)| fields.as_slice())
    }

    /// A query of one of [`QUERIES`].
    pub(super) fn query(&self, call: &str) -> String {
        let name = call.split('(').next().unwrap();
        let (_, object) = self.fields("Query").unwrap().iter().find(|(field, _)| field == name).unwrap();
        format!("{{ {call} {} }}", self.selection(object, &mut Vec::new()))
    }

    /// All fields of an object, and of the objects in it; of one within another of its type only those that are no object.
    fn selection<'a>(&'a self, object: &'a str, above: &mut Vec<&'a str>) -> String {
        let is_again = above.contains(&object);
        above.push(object);
        let mut words = Vec::new();
        for (field, kind) in self.fields(object).unwrap() {
            if self.fields(kind).is_none() {
                words.push(field.clone());
            } else if !is_again {
                words.push(format!("{field} {}", self.selection(kind, above)));
            }
        }
        above.pop();
        format!("{{ {} }}", words.join(" "))
    }
}

/// The name of a type without lists and non-null.
fn innermost(kind: &Value) -> String {
    let mut kind = kind;
    while !kind["ofType"].is_null() {
        kind = &kind["ofType"];
    }
    kind["name"].as_str().unwrap().to_owned()
}
