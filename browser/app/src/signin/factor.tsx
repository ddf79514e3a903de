import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { Fault, faultOf } from '../lib/fault'
import { renew } from '../lib/me'
import { canPasskey, NoPasskey, showPasskey } from '../lib/passkey'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Field } from '../ui/field'
import { Block } from '../ui/skeleton'
import { CodeEntry } from './code'
import { Trouble } from './trouble'

type Way = 'passkey' | 'totp' | 'recovery' | 'code'

/** Shows a second factor: a passkey, a code of the app, a recovery code, or a code to the own phone. */
export function FactorForm({ onDone, onNone }: { onDone: () => void; onNone: () => void }) {
  const factors = useQuery({ queryKey: ['me', 'factors'], queryFn: () => ok(api.GET('/v1/me/factors')), staleTime: 0 })
  const [chosen, choose] = useState<Way | null>(null)
  const [flow, begin] = useState<Schemas['CodeFlow'] | null>(null)
  const [fault, fail] = useState<Fault | null>(null)
  const [busy, work] = useState(false)
  if (factors.isPending) return <Block className="h-32" />
  if (factors.isError) return <Trouble fault={faultOf(factors.error)} />
  const ways = waysOf(factors.data)
  const way = chosen ?? ways[0]
  if (!way) {
    return (
      <div className="flex flex-col gap-4">
        <p className="text-soft">{t('factor.none')}</p>
        <Button look="primary" wide onClick={onNone}>{t('factor.signInAgain')}</Button>
      </div>
    )
  }

  async function run<T>(act: () => Promise<T>): Promise<T | undefined> {
    work(true)
    fail(null)
    try {
      return await act()
    } catch (e) {
      fail(e instanceof NoPasskey ? new Fault({ status: 0, code: 'no_passkey', title: t('signin.passkey.none') }) : faultOf(e))
      return undefined
    } finally {
      work(false)
    }
  }
  const show = async (body: Schemas['FactorInBody']) => {
    const renewed = await run(() => ok(api.POST('/v1/sessions/current/factors', { body })))
    if (!renewed) return
    renew(renewed)
    onDone()
  }
  const unlock = async () => {
    const shown = await run(async () => {
      const ceremony = await ok(api.POST('/v1/sessions/current/passkeys'))
      return { flow: ceremony.flow, passkey: await showPasskey(ceremony.options) }
    })
    if (shown) await show(shown)
  }
  const ask = async () => {
    const f = await run(() => ok(api.POST('/v1/sessions/current/codes')))
    if (f) begin(f)
  }
  const others = ways.filter((w) => w !== way)
  return (
    <div className="flex flex-col gap-4">
      {way === 'passkey' && (
        <>
          <Trouble fault={fault} />
          <Button look="primary" wide icon="key" busy={busy} onClick={unlock}>{t('factor.unlock')}</Button>
        </>
      )}
      {way === 'totp' && <CodeEntry label={t('factor.totp')} verb={t('factor.go')} words={t('factor.totpHelp')} busy={busy} fault={fault} onCode={(totp) => void show({ totp })} />}
      {way === 'recovery' && <Recovery busy={busy} fault={fault} onCode={(recovery) => void show({ recovery })} />}
      {way === 'code' &&
        (flow ? (
          <CodeEntry verb={t('factor.go')} words={t('factor.codeSent')} again={flow.again_at} busy={busy} fault={fault} onAgain={ask} onCode={(code) => void show({ flow: flow.flow, code })} />
        ) : (
          <>
            <Trouble fault={fault} />
            <Button look="primary" wide busy={busy} onClick={ask}>{t('factor.sendCode')}</Button>
          </>
        ))}
      {way === 'code' && fault?.code === 'no_phone' && <Button look="primary" wide onClick={onNone}>{t('factor.signInAgain')}</Button>}
      {others.map((w) => (
        <Button key={w} look="quiet" wide onClick={() => { choose(w); fail(null) }}>{t(`factor.by.${w}`)}</Button>
      ))}
    </div>
  )
}

/** What the person has: the server lists it while it is needed; for a step-up it follows from what is set up. */
function waysOf(f: Schemas['Factors']): Way[] {
  const out: Way[] = []
  if (f.passkeys > 0 && canPasskey()) out.push('passkey')
  if (f.totp_since) out.push('totp')
  if (f.needs?.includes('code') || !f.shown?.includes('code')) out.push('code')
  if (f.recovery_codes_left > 0) out.push('recovery')
  return out
}

function Recovery({ busy, fault, onCode }: { busy: boolean; fault: Fault | null; onCode: (c: string) => void }) {
  const [text, type] = useState('')
  return (
    <form onSubmit={(e) => { e.preventDefault(); onCode(text.trim().toLowerCase()) }} className="flex flex-col gap-4" noValidate>
      <Field label={t('factor.recovery')} help={t('factor.recoveryHelp')} dir="ltr" autoFocus autoComplete="off" autoCapitalize="none" spellCheck={false} value={text} onChange={(e) => type(e.currentTarget.value)} inputClass="figures" />
      <Trouble fault={fault} />
      <Button look="primary" wide type="submit" busy={busy} disabled={text.trim().length < 8}>{t('factor.go')}</Button>
    </form>
  )
}
