// What is typed is nobody's but the page's: a browser writes the state of fields
// into its session's file, for going back, unless their form says no (HTML,
// "autocomplete" and "persisted user state restoration"). Some of it is about
// people, and would lie on the disk in clear.

/** Has every field that is typed into say no, before the first letter. */
export function keepNothingTyped() {
  const none = document.createElement('form') // for texts that stand in no form: only a form's word counts for them
  none.id = 'unkept'
  none.autocomplete = 'off'
  none.hidden = true
  document.body.append(none)
  document.addEventListener('focusin', ({ target: f }) => {
    if (!(f instanceof HTMLTextAreaElement || f instanceof HTMLInputElement)) return
    if (!f.hasAttribute('autocomplete')) f.autocomplete = 'off'
    if (!f.form && f instanceof HTMLTextAreaElement) f.setAttribute('form', none.id) // never a line: Enter in it would send the form
    else if (f.form && !f.form.hasAttribute('autocomplete')) f.form.autocomplete = 'off'
  })
}
