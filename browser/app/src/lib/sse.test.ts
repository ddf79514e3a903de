import { expect, test } from 'vitest'
import { reader } from './sse'

const read = (pieces: string[]) => {
  const out: { id?: string; event: string; data: string }[] = []
  const take = reader((e) => out.push(e))
  for (const p of pieces) take(p)
  return out
}

const text = 'retry: 2000\n\n:\n\nid: 7\nevent: offer.made\ndata: {"kind":"offer.made"}\n\n:\nid: 9\n\nevent: end\r\ndata: a\r\ndata: b\r\n\r\ndata:no space\n\nid: 10\ndata: unfinished\n'
const want = [
  { id: '7', event: 'offer.made', data: '{"kind":"offer.made"}' },
  { id: '9', event: 'message', data: '' },
  { id: undefined, event: 'end', data: 'a\nb' },
  { id: undefined, event: 'message', data: 'no space' },
]

test('events, comments, ids alone, several lines; what is not finished waits', () => expect(read([text])).toEqual(want))

test('where the network cuts it does not matter', () => {
  for (let i = 0; i <= text.length; i++) {
    for (const j of [i, Math.min(text.length, i + 1), Math.min(text.length, i + 7)]) {
      expect(read([text.slice(0, i), text.slice(i, j), text.slice(j)])).toEqual(want)
    }
  }
  expect(read([...text])).toEqual(want)
})

test('no text breaks it, whatever it is', () => {
  let seed = 12345
  const next = (n: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0
    return (seed >>> 16) % n // the low bits of such a row repeat soon
  }
  const parts = ['\n', '\r\n', ':', 'id', 'event', 'data', ': ', '{"a":1}', '\u0000', '€', ' ', 'retry: x', 'data: x\n', 'id: 3\n', '\n\n']
  let events = 0
  for (let n = 0; n < 3000; n++) {
    const noise = Array.from({ length: next(24) }, () => parts[next(parts.length)]!).join('')
    const whole = read([noise])
    expect(read([...noise])).toEqual(whole)
    events += whole.length
  }
  expect(events).toBeGreaterThan(100)
})
