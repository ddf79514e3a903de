import { useState } from 'react'
import { door, ok, type Schemas } from '../lib/api'
import { Fault, faultOf } from '../lib/fault'
import { enter } from '../lib/me'
import { canPasskey, hasPasskey, NoPasskey, showPasskey } from '../lib/passkey'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Field } from '../ui/field'
import { Icon } from '../ui/icon'
import { CodeEntry } from './code'
import { Trouble } from './trouble'

type Body = Schemas['SignInInBody']
type Way = 'phone' | 'password' | 'sso'

/** Signs in by code, password or the company's own provider. */
export function SignInForm({ onDone }: { onDone?: () => void }) {
  const [way, take] = useState<Way>('phone')
  const [choice, choose] = useState<{ body: Body; of: { id: string; name: string }[] } | null>(null)
  const [fault, fail] = useState<Fault | null>(null)
  const [busy, work] = useState(false)

  async function byPasskey() {
    work(true)
    fail(null)
    try {
      const ceremony = await ok(door.POST('/v1/sessions/passkeys'))
      await begin({ flow: ceremony.flow, passkey: await showPasskey(ceremony.options) })
    } catch (e) {
      if (e instanceof NoPasskey) fail(new Fault({ status: 0, code: 'no_passkey', title: t('signin.passkey.none') }))
      else fail(faultOf(e))
    } finally {
      work(false)
    }
  }

  async function begin(body: Body) {
    work(true)
    fail(null)
    try {
      enter(await ok(door.POST('/v1/sessions', { body })))
      onDone?.()
    } catch (e) {
      const f = faultOf(e)
      if (f.code === 'choose_account') choose({ body, of: f.choices })
      else fail(f)
    } finally {
      work(false)
    }
  }

  if (choice) return <Choose of={choice.of} busy={busy} fault={fault} onChoose={(account) => void begin({ ...choice.body, account })} onBack={() => choose(null)} />
  const props = { busy, fault, onSubmit: begin, onFault: fail }
  const first = hasPasskey() && way === 'phone'
  return (
    <div className="flex flex-col gap-5">
      {first && <Button look="primary" wide icon="key" busy={busy} onClick={() => void byPasskey()}>{t('signin.passkey.go')}</Button>}
      {way === 'phone' && <ByPhone {...props} second={first} />}
      {way === 'password' && <ByPassword {...props} />}
      {way === 'sso' && <BySSO {...props} />}
      <div className="flex flex-col gap-1 border-t border-line pt-4">
        {canPasskey() && !first && (
          <Button look="quiet" wide icon="key" disabled={busy} className="-mx-2 w-auto justify-start px-2" onClick={() => void byPasskey()}>{t('signin.passkey.use')}</Button>
        )}
        {(['phone', 'password', 'sso'] as const).filter((w) => w !== way).map((w) => (
          <Button key={w} look="quiet" wide icon={w === 'phone' ? 'device' : w === 'password' ? 'lock' : 'people'} className="-mx-2 w-auto justify-start px-2" onClick={() => { take(w); fail(null) }}>
            {t(`signin.by.${w}`)}
          </Button>
        ))}
      </div>
    </div>
  )
}

interface Form {
  busy: boolean
  fault: Fault | null
  onSubmit: (b: Body) => void
  onFault: (f: Fault | null) => void
}

function ByPhone({ busy, fault, second, onSubmit, onFault }: Form & { second: boolean }) {
  const [phone, type] = useState('')
  const [flow, begin] = useState<Schemas['CodeFlow'] | null>(null)
  const [asking, ask] = useState(false)
  const send = async () => {
    ask(true)
    onFault(null)
    try {
      begin(await ok(door.POST('/v1/sessions/codes', { body: { phone: phone.trim() } })))
    } catch (e) {
      onFault(faultOf(e))
    } finally {
      ask(false)
    }
  }
  if (flow) {
    return (
      <CodeEntry
        words={t('signin.code.sent', { phone: `\u2066${phone}\u2069` })} // a number reads from the left in every script
        again={flow.again_at}
        busy={busy}
        fault={fault}
        onAgain={send}
        onCode={(code) => onSubmit({ flow: flow.flow, code })}
        onBack={() => { begin(null); onFault(null) }}
      />
    )
  }
  return (
    <form onSubmit={(e) => { e.preventDefault(); void send() }} className="flex flex-col gap-4" noValidate>
      <Field label={t('signin.phone')} type="tel" inputMode="tel" autoComplete="tel" autoFocus={!second} required dir="ltr" placeholder="+44 20 7946 0123" value={phone} onChange={(e) => type(e.currentTarget.value)} fault={fault?.fields.phone} help={t('signin.phoneHelp')} inputClass="rtl:text-end" />
      <Trouble fault={fault} without={['phone']} />
      <Button look={second ? 'plain' : 'primary'} wide type="submit" busy={asking} disabled={phone.trim().length < 6}>{t('signin.sendCode')}</Button>
    </form>
  )
}

function ByPassword({ busy, fault, onSubmit }: Form) {
  const [email, typeEmail] = useState('')
  const [password, typePassword] = useState('')
  return (
    <form onSubmit={(e) => { e.preventDefault(); onSubmit({ email: email.trim(), password }) }} className="flex flex-col gap-4" noValidate>
      <Field label={t('signin.email')} type="email" autoComplete="username" autoFocus required dir="ltr" value={email} onChange={(e) => typeEmail(e.currentTarget.value)} fault={fault?.fields.email} />
      <Field label={t('signin.password')} type="password" autoComplete="current-password" required dir="ltr" value={password} onChange={(e) => typePassword(e.currentTarget.value)} fault={fault?.fields.password} />
      <Trouble fault={fault} without={['email', 'password']} words={fault?.status === 401 ? t('signin.wrong') : undefined} />
      <Button look="primary" wide type="submit" busy={busy} disabled={!email.trim() || !password}>{t('signin.go')}</Button>
    </form>
  )
}

function BySSO({ busy, fault, onSubmit, onFault }: Form) {
  const [email, type] = useState('')
  const [away, leave] = useState<string | null>(() => sessionStorage.getItem('catchment.sso'))
  const [asking, ask] = useState(false)
  const send = async () => {
    ask(true)
    onFault(null)
    try {
      const f = await ok(door.POST('/v1/sessions/sso', { body: { email: email.trim() } }))
      // The provider opens beside: this page waits here, and fetches the session once.
      sessionStorage.setItem('catchment.sso', f.flow)
      leave(f.flow)
      window.open(f.authorize_url, '_blank', 'noopener')
    } catch (e) {
      onFault(faultOf(e))
    } finally {
      ask(false)
    }
  }
  if (away) {
    return (
      <div className="flex flex-col gap-4">
        <p className="text-soft">{t('signin.sso.away')}</p>
        <Trouble fault={fault} words={fault?.code === 'sso_pending' ? t('signin.sso.pending') : undefined} />
        <Button look="primary" wide busy={busy} onClick={() => onSubmit({ flow: away })}>{t('signin.sso.back')}</Button>
        <Button look="quiet" wide onClick={() => { sessionStorage.removeItem('catchment.sso'); leave(null); onFault(null) }}>{t('common.back')}</Button>
      </div>
    )
  }
  return (
    <form onSubmit={(e) => { e.preventDefault(); void send() }} className="flex flex-col gap-4" noValidate>
      <Field label={t('signin.sso.email')} type="email" autoComplete="email" autoFocus required dir="ltr" value={email} onChange={(e) => type(e.currentTarget.value)} fault={fault?.fields.email} />
      <Trouble fault={fault} without={['email']} />
      <Button look="primary" wide type="submit" busy={asking} disabled={!email.includes('@')}>{t('signin.sso.go')}</Button>
    </form>
  )
}

function Choose({ of, busy, fault, onChoose, onBack }: { of: { id: string; name: string }[]; busy: boolean; fault: Fault | null; onChoose: (id: string) => void; onBack: () => void }) {
  return (
    <div className="flex flex-col gap-3">
      <p className="text-soft">{t('signin.choose')}</p>
      <ul className="flex flex-col divide-y divide-line border-y border-line">
        {of.map((a) => (
          <li key={a.id}>
            <button type="button" disabled={busy} onClick={() => onChoose(a.id)} className="flex min-h-13 w-full items-center justify-between gap-3 px-1 text-start font-medium hover:bg-hover">
              {a.name}
              <Icon name="next" className="size-4 text-faint" />
            </button>
          </li>
        ))}
      </ul>
      <Trouble fault={fault} />
      <Button look="quiet" wide onClick={onBack}>{t('common.back')}</Button>
    </div>
  )
}
