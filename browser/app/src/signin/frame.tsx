import type { ReactNode } from 'react'
import { languages, speak, t, useLanguage } from '../lib/words'
import { Sign } from '../ui/sign'

/** The page before there is anything to show: the sign, one question, nothing else. */
export function Frame({ title, words, children }: { title: string; words?: ReactNode; children: ReactNode }) {
  const language = useLanguage()
  const other = language === 'en' ? 'ar' : 'en'
  return (
    <main className="flex min-h-dvh flex-col items-center bg-ground px-5 pt-[max(9dvh,48px)] pb-6">
      <div className="w-full max-w-90 flex-1">
        <div className="flex items-center gap-2.5">
          <Sign className="size-8" />
          <span className="text-lg font-semibold tracking-tight">Catchment</span>
        </div>
        <h1 className="mt-9 text-xl font-semibold tracking-tight">{title}</h1>
        {words && <p className="mt-2 text-soft">{words}</p>}
        <div className="mt-6">{children}</div>
      </div>
      <button type="button" lang={other} onClick={() => void speak(other)} className="mt-8 min-h-11 px-3 text-sm text-soft underline-offset-4 hover:text-ink hover:underline" aria-label={t('signin.language', { language: languages[other] })}>
        {languages[other]}
      </button>
    </main>
  )
}
