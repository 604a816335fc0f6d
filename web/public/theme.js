// Before the first paint, so that a chosen theme does not flash: a module would come too late. See src/view/theme.ts.
try {
  const { theme } = JSON.parse(localStorage.getItem("duologue-look") ?? "{}");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {}
