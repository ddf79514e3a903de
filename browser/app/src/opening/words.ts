import type words from './words.en.json'

declare module '../lib/words' {
  interface Areas {
    opening: typeof words
  }
}
