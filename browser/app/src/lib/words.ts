// The app's words. A language's texts are loaded area by area (the app's own,
// the desk's, the console's) before a screen of the area stands, so that t is
// a plain function; a change of language draws everything anew.
import i18next from 'i18next'
import { useSyncExternalStore } from 'react'
import type local from '../desk/local/words.en.json'
import type desk from '../desk/words.en.json'
import type app from '../i18n/en.json'

type Plural = 'zero' | 'one' | 'two' | 'few' | 'many' | 'other'
type Leaf<T, P extends string = ''> = {
  [K in keyof T & string]: T[K] extends string ? (K extends `${infer B}_${Plural}` ? `${P}${B}` : `${P}${K}`) : Leaf<T[K], `${P}${K}.`>
}[keyof T & string]
/** Areas add their words by declaration merging. */
export interface Areas {
  app: typeof app
  desk: typeof desk
  'desk/local': typeof local
}
export type Key = { [A in keyof Areas]: Leaf<Areas[A]> }[keyof Areas]

export const languages = { en: 'English', ar: 'العربية' } as const
export type Language = keyof typeof languages

const place = 'catchment.language'
const files = import.meta.glob<{ default: object }>(['../i18n/*.json', '../*/words.*.json', '../desk/local/words.*.json', '!../worker/*'])
const areas = new Set<string>()
const listeners = new Set<() => void>()
let language: Language = chosen()

function chosen(): Language {
  for (const l of [localStorage.getItem(place), ...navigator.languages]) {
    const short = l?.split('-')[0]
    if (short && short in languages) return short as Language
  }
  return 'en'
}

async function load(area: string) {
  const file = files[area === 'app' ? `../i18n/${language}.json` : `../${area}/words.${language}.json`]
  if (file) i18next.addResourceBundle(language, 'translation', (await file()).default, true, true)
}

/** Loads an area's words; call it before its first screen. */
export async function useArea(area: keyof Areas) {
  if (areas.has(area)) return
  await load(area)
  areas.add(area)
}

export async function startWords() {
  await i18next.init({ lng: language, fallbackLng: false, resources: {}, interpolation: { escapeValue: false }, returnNull: false, showSupportNotice: false })
  await useArea('app')
  mark()
}

function mark() {
  // The service worker has no localStorage, and words of its own (worker/say.ts).
  if ('caches' in globalThis) void caches.open('settings').then((c) => c.put('/app/language', new Response(language))).catch(() => {})
  document.documentElement.lang = language
  document.documentElement.dir = dir()
}

export async function speak(l: Language) {
  language = l
  localStorage.setItem(place, l)
  for (const a of areas) await load(a)
  await i18next.changeLanguage(l)
  mark()
  for (const f of listeners) f()
}

export const t = (key: Key, values?: Record<string, string | number>): string => i18next.t(key, values)
/** For words that stand for a value of the API; the test of the words knows each prefix. */
export const tOf = (prefix: string, value: string, values?: Record<string, string | number>): string => i18next.t(`${prefix}.${value}`, { ...values, defaultValue: value })
/** For what the server said in its own words, under a code: the app's words for the code, where it has some and they are there already. */
export const told = (prefix: string, code: string, said: string): string => (i18next.isInitialized ? i18next.t(`${prefix}.${code}`, { said, defaultValue: said }) : said)
export const dir = () => (language === 'ar' ? 'rtl' : 'ltr')
/** For Intl: digits stay those of a telephone's keys in every language. */
export const locale = () => (language === 'ar' ? 'ar-u-nu-latn' : navigator.languages.find((l) => l.startsWith('en')) ?? 'en')
export const useLanguage = () =>
  useSyncExternalStore(
    (f) => {
      listeners.add(f)
      return () => void listeners.delete(f)
    },
    () => language,
  )
