//! Which requests share a rate limit: method, path template, major parameters (rest.md section 2).

/// The rate-limit identity of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    template: String,
    major: String,
    interaction: bool,
}

impl Route {
    /// From a method and a path below the API version, such as `/channels/1/messages/2`.
    ///
    /// Ids become `:id` except the majors: channel, guild, webhook with its token, interaction. Their
    /// tokens and reaction emoji become placeholders too, or every call would be a route of its own.
    pub fn of(method: &str, path: &str) -> Self {
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let mut template = method.to_ascii_uppercase();
        let mut major = String::new();
        let mut before = "";
        let mut first = "";
        let mut reaction = false;
        for (depth, part) in path.split('/').filter(|part| !part.is_empty()).enumerate() {
            if depth == 0 {
                first = part;
            }
            template.push('/');
            let is_id = part.len() >= 15 && part.bytes().all(|byte| byte.is_ascii_digit())
                || (depth == 1 && part.bytes().all(|byte| byte.is_ascii_digit()));
            match (first, depth) {
                ("channels" | "guilds" | "webhooks", 1) if is_id => {
                    major.push_str(part);
                    template.push_str(":major");
                }
                ("webhooks", 2) => {
                    major.push('/');
                    major.push_str(part);
                    template.push_str(":token");
                }
                // Every interaction is a limit of its own: answers with three seconds to go must not
                // queue behind each other.
                ("interactions", 1) => {
                    major.push_str(part);
                    template.push_str(":id");
                }
                ("interactions", 2) => template.push_str(":token"),
                _ if reaction => {
                    template.push_str(":emoji");
                    reaction = false;
                }
                _ if is_id => template.push_str(":id"),
                _ => template.push_str(part),
            }
            if part == "reactions" && before != "reactions" {
                reaction = true;
            }
            before = part;
        }
        let webhook_token = first == "webhooks" && major.contains('/');
        Self {
            template,
            major,
            interaction: first == "interactions" || webhook_token,
        }
    }

    /// True for interaction callbacks and follow-ups: outside the global limit, and carrying their
    /// own token in the path (rest.md section 2).
    pub const fn is_interaction(&self) -> bool {
        self.interaction
    }

    pub(super) fn template(&self) -> &str {
        &self.template
    }

    pub(super) fn major(&self) -> &str {
        &self.major
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_ids_share_a_route_and_majors_do_not() {
        let a = Route::of(
            "GET",
            "/channels/70000000000000001/messages/93000000000000001",
        );
        let b = Route::of(
            "get",
            "/channels/70000000000000001/messages/93000000000000002?x=1",
        );
        let c = Route::of(
            "GET",
            "/channels/70000000000000002/messages/93000000000000001",
        );
        assert_eq!(a, b);
        assert_eq!(a.template(), "GET/channels/:major/messages/:id");
        assert_eq!(a.template(), c.template());
        assert_ne!(a, c);
        assert_ne!(
            a,
            Route::of(
                "DELETE",
                "/channels/70000000000000001/messages/93000000000000001"
            )
        );
    }

    #[test]
    fn interactions_and_webhook_follow_ups_are_outside_the_global_limit() {
        assert!(Route::of("POST", "/interactions/91000000000000001/tok/callback").is_interaction());
        let follow_up = Route::of(
            "PATCH",
            "/webhooks/90000000000000001/tok/messages/@original",
        );
        assert!(follow_up.is_interaction());
        assert_eq!(
            follow_up.template(),
            "PATCH/webhooks/:major/:token/messages/@original"
        );
        assert!(!Route::of("GET", "/webhooks/90000000000000001").is_interaction());
        assert!(!Route::of("GET", "/gateway/bot").is_interaction());
    }

    #[test]
    fn reactions_share_a_route_whatever_the_emoji() {
        let path = |emoji| format!("/channels/1/messages/93000000000000001/reactions/{emoji}/@me");
        assert_eq!(Route::of("PUT", &path("a")), Route::of("PUT", &path("b")));
    }
}
