import { useEffect, useRef, useState } from 'react'
import { useNow } from '../lib/clock'
import type { Fault } from '../lib/fault'
import { stopwatch } from '../lib/format'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Field } from '../ui/field'
import { Trouble } from './trouble'

/** Six digits of a message or an app. The last one sends them; a wrong code empties the field. */
export function CodeEntry({ words, again, busy, fault, onCode, onAgain, onBack, label, verb }: {
  words?: string
  label?: string
  verb?: string
  /** When another one may be asked for. */
  again?: string
  busy: boolean
  fault: Fault | null
  onCode: (code: string) => void
  onAgain?: () => void
  onBack?: () => void
}) {
  const [code, type] = useState('')
  const now = useNow(1000)
  const wait = again ? Date.parse(again) - now : 0
  const sent = useRef('')
  const take = (text: string) => {
    const digits = text.replace(/\D/g, '').slice(0, 6)
    type(digits)
    if (digits.length === 6 && sent.current !== digits) {
      sent.current = digits
      onCode(digits)
    }
  }
  useEffect(() => {
    if (fault) {
      type('')
      sent.current = ''
    }
  }, [fault])
  useMessage(take, !!onAgain)
  return (
    <form onSubmit={(e) => { e.preventDefault(); if (code.length === 6) onCode(code) }} className="flex flex-col gap-4" noValidate>
      {words && <p className="text-soft">{words}</p>}
      <Field
        label={label ?? t('signin.code.label')}
        inputMode="numeric"
        autoComplete="one-time-code"
        autoFocus
        dir="ltr"
        value={code}
        onChange={(e) => take(e.currentTarget.value)}
        inputClass="figures h-14 text-center text-xl font-medium tracking-[0.4em]"
      />
      <Trouble fault={fault} words={fault?.status === 401 ? t('signin.code.wrong') : undefined} />
      <Button look="primary" wide type="submit" busy={busy} disabled={code.length < 6}>{verb ?? t('signin.go')}</Button>
      <div className="flex justify-between gap-2">
        {onBack && <Button look="quiet" onClick={onBack}>{t('common.back')}</Button>}
        {onAgain && <Button look="quiet" disabled={wait > 0} onClick={onAgain}>{wait > 0 ? t('signin.code.againIn', { time: stopwatch(wait) }) : t('signin.code.again')}</Button>}
      </div>
    </form>
  )
}

/** Where the browser can (WebOTP), the code of the message fills itself in. */
function useMessage(take: (code: string) => void, on: boolean) {
  const latest = useRef(take)
  useEffect(() => {
    latest.current = take
  })
  useEffect(() => {
    if (!on || !('OTPCredential' in window)) return
    const stop = new AbortController()
    navigator.credentials
      .get({ otp: { transport: ['sms'] }, signal: stop.signal } as CredentialRequestOptions)
      .then((c) => c && latest.current((c as unknown as { code: string }).code))
      .catch(() => {}) // refused, or no message came: it can be typed
    return () => stop.abort()
  }, [on])
}
