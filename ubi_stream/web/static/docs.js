// Shows the API's description. BaseLayout has no field that loads a description from elsewhere.
SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#docs",
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
});
