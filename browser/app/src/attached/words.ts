import type words from './words.en.json'

declare module '../lib/words' {
  interface Areas {
    attached: typeof words
  }
}
