// Renders the description of the API with Swagger UI, in the reader's colour scheme.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// Accessibility: adds the heading of level 2 and the label that Swagger UI lacks.
const readable = ({ React: { createElement, Fragment } }) => ({
  wrapComponents: {
    operations: (Operations) => (props) =>
      createElement(Fragment, null, createElement("h2", { className: "wrapper" }, "Routes"), createElement(Operations, props)),
    TextArea: (TextArea) => (props) => createElement(TextArea, { ...props, "aria-label": "Body of the request" }),
  },
});

SwaggerUIBundle({
  url: "../../openapi.json",
  dom_id: "#description",
  plugins: [readable],
  tryItOutEnabled: true,
  displayRequestDuration: true,
  // Its colours have too little contrast.
  syntaxHighlight: false,
  // The default validator is a server on the internet.
  validatorUrl: "none",
});
