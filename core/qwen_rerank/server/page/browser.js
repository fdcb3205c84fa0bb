// Screen readers and hyphenation go by `lang`; Streamlit's page always says "en".
// The link replaces the address: st.query_params would add an entry to the browser's history at
// each edit. A form would have Enter, too, but hides edits from the server until it is sent, so
// that no result could be marked as out of date.

export default function ({ data }) {
  document.documentElement.lang = data.language

  const address = location.pathname + (data.link && "?" + data.link)
  if (address !== location.pathname + location.search) history.replaceState(history.state, "", address)

  document.onkeydown = (event) => {
    const isInQuery = event.target.closest?.("[class*='st-key-query-']")
    const isEnter = event.key === "Enter" && !event.isComposing && event.keyCode !== 229
    if (isInQuery && isEnter && !event.ctrlKey && !event.metaKey) {
      document.querySelector(".st-key-rerank button")?.click()
    }
  }

  const root = document.documentElement.dataset
  if (data.outcome && root.outcome !== String(data.outcome)) {
    document.querySelector(".st-key-outcome")?.scrollIntoView()
  }
  root.outcome = data.outcome
}
