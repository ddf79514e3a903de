import { expect, test } from 'vitest'
import { isWhole } from './whole'

test('only whole numbers and addresses are asked of the server', () => {
  for (const whole of ['020 7946 0123', '+44 20 7946 0123', '٠٢٠٧٩٤٦٠١٢٣', 'asha@example.com']) expect(isWhole(whole), whole).toBe(true)
  for (const part of ['', 'Asha', 'asha@', 'asha@example', '0123', 'Villa 2079460123']) expect(isWhole(part), part).toBe(false)
})
