// text/event-stream, read piece by piece: HTML, section 9.2.6.
/** Reads lines of text/event-stream; calls back for each event that ended with a blank line. */
export function reader(each: (e: { id?: string; event: string; data: string }) => void) {
  let rest = ''
  let id: string | undefined
  let event = 'message'
  let data: string[] = []
  return (text: string) => {
    rest += text
    for (;;) {
      const end = rest.indexOf('\n')
      if (end < 0) return
      const row = rest.slice(0, end).replace(/\r$/, '')
      rest = rest.slice(end + 1)
      if (row === '') {
        if (data.length || id !== undefined) each({ id, event, data: data.join('\n') })
        id = undefined
        event = 'message'
        data = []
        continue
      }
      const colon = row.indexOf(':')
      if (colon === 0) continue
      const name = colon < 0 ? row : row.slice(0, colon)
      const value = colon < 0 ? '' : row.slice(colon + 1).replace(/^ /, '')
      if (name === 'id') id = value
      else if (name === 'event') event = value
      else if (name === 'data') data.push(value)
    }
  }
}
