import { expect, test } from 'vitest'
import { decode, head, sample } from './csv'

test('columns and rows, whatever parts them', () => {
  for (const by of [',', ';', '\t', '|']) {
    const text = ['Customer', 'Tel.', 'Remarks'].join(by) + '\r\n' + ['Asha Example', '+44 20 7946 0142', `"Two rooms${by} near ""the park"""`].join(by) + '\n'
    expect(head(text)).toEqual({ columns: ['Customer', 'Tel.', 'Remarks'], rows: [['Asha Example', '+44 20 7946 0142', `Two rooms${by} near "the park"`]] })
  }
  expect(head('').columns).toEqual([])
  expect(head('a,b\n\n1,2\n3,4\n5,6\n7,8').rows).toHaveLength(3)
})

test('bytes of either encoding', () => {
  expect(decode(new TextEncoder().encode('\uFEFFNamé'))).toBe('Namé')
  expect(decode(new Uint8Array([0x4e, 0x61, 0x6d, 0xe9]))).toBe('Namé')
  expect(decode(new Uint8Array([0x4e, 0x61, 0xc3]), true)).toBe('Na') // cut amid a letter
})

test('a sample in any form', () => {
  const want = [{ field: 'q1', value: 'Asha Example' }, { field: 'tel', value: '+12025550141' }]
  expect(sample('{"q1":"Asha Example","tel":"+12025550141"}')).toEqual(want)
  expect(sample('https://homes.example/thanks?q1=Asha+Example&tel=%2B12025550141')).toEqual(want)
  expect(sample('q1=Asha%20Example&tel=%2B12025550141')).toEqual(want)
  expect(sample('q1,tel\nAsha Example,+12025550141')).toEqual(want)
  expect(sample('{"a":{"b":1}}')).toEqual([{ field: 'a.b', value: '1' }])
  expect(sample('')).toEqual([])
})
