// The worker's words. It has no localStorage: the page leaves it the language
// of its reader (lib/worker.ts), and that is all that is left for it.
import ar from './words.ar.json'
import en from './words.en.json'

/** Where the page leaves it. */
const cache = 'settings'
const place = '/app/language'

async function language(): Promise<'en' | 'ar'> {
  const left = await (await caches.open(cache)).match(place)
  const said = (await left?.text()) ?? navigator.language
  return said.startsWith('ar') ? 'ar' : 'en'
}

export interface Said {
  title: string
  words: string
  dir: 'ltr' | 'rtl'
  lang: string
}

/** What to say of a kind of push; of an offer also until when it is open, or that it is not any more. */
export async function say(kind: string, offer?: { open: boolean; until?: string }): Promise<Said> {
  const lang = await language()
  const said = (lang === 'ar' ? ar : en).push
  const of = kind in said ? said[kind as keyof typeof said] : said.other
  let words = of.words
  if (kind === 'offer' && offer) {
    const time = offer.until && new Intl.DateTimeFormat(lang === 'ar' ? 'ar-u-nu-latn' : navigator.language, { timeStyle: 'medium' }).format(new Date(offer.until))
    if (!offer.open) words = said.offer.gone
    else if (time) words = said.offer.until.replace('{{time}}', time)
  }
  return { title: of.title, words, dir: lang === 'ar' ? 'rtl' : 'ltr', lang }
}
