import { useEffect, useState } from 'react'
import { encode } from 'uqr'
import { api, ok, type Schemas } from '../lib/api'
import { Fault, faultOf } from '../lib/fault'
import { renew } from '../lib/me'
import { canPasskey, deviceName, makePasskey, NoPasskey } from '../lib/passkey'
import { queries } from '../lib/query'
import { session } from '../lib/session'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Block } from '../ui/skeleton'
import { say } from '../ui/toast'
import { CodeEntry } from './code'
import { Trouble } from './trouble'

/** The first factor of somebody who must have one: a passkey where the device can, else an app. */
export function FirstFactor({ onDone }: { onDone: () => void }) {
  const [app, take] = useState(!canPasskey())
  if (app) return <Enrol onDone={onDone} />
  return (
    <div className="flex flex-col gap-4">
      <p className="text-soft">{t('factor.passkeyWords')}</p>
      <NewPasskey onDone={onDone} />
      <Button look="quiet" wide onClick={() => take(true)}>{t('factor.appInstead')}</Button>
    </div>
  )
}

/** Makes a passkey on this device. The first factor of all brings recovery codes, which are shown once. */
export function NewPasskey({ onDone }: { onDone: () => void }) {
  const [codes, show] = useState<string[] | null>(null)
  const [fault, fail] = useState<Fault | null>(null)
  const [busy, work] = useState(false)
  const make = async () => {
    work(true)
    fail(null)
    try {
      const ceremony = await ok(api.POST('/v1/me/passkeys'))
      const passkey = await makePasskey(ceremony.options)
      const added = await ok(api.POST('/v1/me/passkeys/confirm', { body: { flow: ceremony.flow, name: deviceName(), passkey } }))
      renew(added)
      session.renew({ offers: [] })
      void queries.invalidateQueries({ queryKey: ['me'] })
      if (added.recovery_codes.length > 0) show(added.recovery_codes)
      else onDone()
    } catch (e) {
      fail(e instanceof NoPasskey ? new Fault({ status: 0, code: 'no_passkey', title: t('factor.passkeyNot') }) : faultOf(e))
    } finally {
      work(false)
    }
  }
  if (codes) return <RecoveryCodes codes={codes} onDone={onDone} />
  return (
    <div className="flex flex-col gap-4">
      <Trouble fault={fault} />
      <Button look="primary" wide icon="key" busy={busy} onClick={() => void make()}>{t('factor.passkeyMake')}</Button>
    </div>
  )
}

/** Sets up an app for codes: a picture to scan or text to type, its first code, then the recovery codes, this once. */
export function Enrol({ onDone }: { onDone: () => void }) {
  const [seed, plant] = useState<Schemas['Enrolment'] | null>(null)
  const [codes, show] = useState<string[] | null>(null)
  const [fault, fail] = useState<Fault | null>(null)
  const [busy, work] = useState(false)
  useEffect(() => {
    let on = true
    ok(api.POST('/v1/me/totp')).then((s) => on && plant(s), (e) => on && fail(faultOf(e)))
    return () => {
      on = false
    }
  }, [])
  const confirm = async (code: string) => {
    work(true)
    fail(null)
    try {
      const c = await ok(api.POST('/v1/me/totp/confirm', { body: { code } }))
      renew(c)
      void queries.invalidateQueries({ queryKey: ['me'] })
      show(c.recovery_codes)
    } catch (e) {
      fail(faultOf(e))
    } finally {
      work(false)
    }
  }
  if (codes) return <RecoveryCodes codes={codes} onDone={onDone} />
  if (!seed) return fault ? <Trouble fault={fault} /> : <Block className="h-60" />
  return (
    <div className="flex flex-col gap-5">
      <QR text={seed.url} />
      <p className="text-sm text-soft">{t('factor.orType')}</p>
      <code className="ltr figures -mt-3 rounded bg-sunken px-3 py-2 font-sans font-medium tracking-wide wrap-anywhere select-all">{seed.secret.match(/.{1,4}/g)?.join(' ')}</code>
      <a href={seed.url} className="-mt-2 text-sm font-medium text-accent underline underline-offset-4">{t('factor.openApp')}</a>
      <CodeEntry label={t('factor.firstCode')} verb={t('factor.confirm')} busy={busy} fault={fault} onCode={(c) => void confirm(c)} />
    </div>
  )
}

/** A square picture for a camera: dark on light in every theme. */
function QR({ text }: { text: string }) {
  const { data, size } = encode(text, { ecc: 'M', border: 2 })
  let path = ''
  data.forEach((row, y) => row.forEach((dark, x) => dark && (path += `M${x} ${y}h1v1h-1z`)))
  return (
    <svg viewBox={`0 0 ${size} ${size}`} role="img" aria-label={t('factor.scan')} className="size-48 self-center rounded" shapeRendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#0c1a1b" />
    </svg>
  )
}

export function RecoveryCodes({ codes, onDone }: { codes: string[]; onDone: () => void }) {
  const copy = () => navigator.clipboard.writeText(codes.join('\n')).then(() => say(t('common.copied'), { kind: 'good' }), () => say(t('common.notCopied'), { kind: 'lost' }))
  return (
    <div className="flex flex-col gap-4">
      <p className="text-soft">{t('factor.codesWords')}</p>
      <ul className="ltr figures grid grid-cols-2 gap-x-6 gap-y-1.5 rounded bg-sunken px-4 py-3 font-medium select-all">
        {codes.map((c) => <li key={c}>{c}</li>)}
      </ul>
      <Button wide onClick={copy}>{t('common.copy')}</Button>
      <Button look="primary" wide onClick={onDone}>{t('factor.kept')}</Button>
    </div>
  )
}
